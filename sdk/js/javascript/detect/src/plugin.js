// What the host calls. How breaks are found is in policy.js.

import config from "cuetone:extension/config@1.0.0";

import { parse } from "./config.js";
import { find, settings } from "./policy.js";

export const detect = {
  /** Every avail of the window, each id once. */
  detect(window, known, channel) {
    return find(window, known, settings(parse(config.get())));
  },
};
