// What the host calls. The rule itself is in policy.js.

import config from "cuetone:extension/config@1.0.0";

import { parse } from "./config.js";
import { settings, verdict } from "./policy.js";

export const targeting = {
  /** One verdict for each candidate, in the order given. */
  judge(request, candidates) {
    const rule = settings(parse(config.get()));
    return candidates.map((ad) => verdict(ad, rule));
  },
};
