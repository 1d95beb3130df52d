import assert from "node:assert/strict";
import { test } from "node:test";

import { requests, settings } from "./policy.ts";

const url = "https://example.com/events";
const events = [
  { id: "1", eventType: "start", ad: "cola" },
  { id: "2", eventType: "click", ad: null },
];

test("events of the wanted types go out in one request", () => {
  const [request] = requests(events, settings({ url, types: ["click"] }));
  assert.equal(request.body, '{"events":[{"id":"2","type":"click","ad":null}]}');
  assert.equal(JSON.parse(requests(events, settings({ url }))[0].body).events.length, 2);
  assert.deepEqual(requests(events, settings({ url, types: ["error"] })), []);
});

test("the address is required", () => {
  assert.throws(() => settings({}), { message: "config: `url` is missing" });
});
