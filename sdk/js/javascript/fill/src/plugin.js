// What the host calls. The strategy itself is in policy.js.

import config from "cuetone:extension/config@1.0.0";

import { parse } from "./config.js";
import { choose, settings } from "./policy.js";

export const fill = {
  /** Places in `candidates`, in the order to play. */
  fill(request, candidates) {
    return choose(candidates, request.avail.duration, settings(parse(config.get())));
  },
};
