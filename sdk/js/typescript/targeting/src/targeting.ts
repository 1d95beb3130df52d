// The types of `wit/targeting.wit`, which says what they mean.

import type { Candidate, Request } from "./contract.ts";

export type Verdict = { tag: "keep" } | { tag: "drop"; val: string } | { tag: "score"; val: number };

export interface Targeting {
  judge(request: Request, candidates: Candidate[]): Verdict[];
}
