// What the host calls. What is sent is in policy.js.

import config from "cuetone:extension/config@1.0.0";

import { parse } from "./config.js";
import { requests, settings } from "./policy.js";

export const sink = {
  /** Requests that the host sends for us. */
  deliver(events) {
    return requests(events, settings(parse(config.get())));
  },
};
