// What the host calls. The rule itself is in policy.ts.

import config from "cuetone:extension/config@1.0.0";

import { parse } from "./config.ts";
import { settings, verdict } from "./policy.ts";
import type { Targeting } from "./targeting.ts";

export const targeting: Targeting = {
  /** One verdict for each candidate, in the order given. */
  judge(request, candidates) {
    const rule = settings(parse(config.get()));
    return candidates.map((ad) => verdict(ad, rule));
  },
};
