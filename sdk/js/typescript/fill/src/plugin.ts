// What the host calls. The strategy itself is in policy.ts.

import config from "cuetone:extension/config@1.0.0";

import { parse } from "./config.ts";
import type { Fill } from "./fill.ts";
import { choose, settings } from "./policy.ts";

export const fill: Fill = {
  /** Places in `candidates`, in the order to play. */
  fill(request, candidates) {
    return choose(candidates, request.avail.duration, settings(parse(config.get())));
  },
};
