// What the host calls. How breaks are found is in policy.ts.

import config from "cuetone:extension/config@1.0.0";

import { parse } from "./config.ts";
import type { Detect } from "./detect.ts";
import { find, settings } from "./policy.ts";

export const detect: Detect = {
  /** Every avail of the window, each id once. */
  detect(window, known, channel) {
    return find(window, known, settings(parse(config.get())));
  },
};
