// The types of `wit/fill.wit`, which says what they mean.

import type { Candidate, Request } from "./contract.ts";

export interface Fill {
  fill(request: Request, candidates: Candidate[]): number[];
}
