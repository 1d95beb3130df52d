// What the host calls. What is sent is in policy.ts.

import config from "cuetone:extension/config@1.0.0";

import { parse } from "./config.ts";
import { requests, settings } from "./policy.ts";
import type { Sink } from "./sink.ts";

export const sink: Sink = {
  /** Requests that the host sends for us. */
  deliver(events) {
    return requests(events, settings(parse(config.get())));
  },
};
