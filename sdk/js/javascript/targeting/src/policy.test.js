import assert from "node:assert/strict";
import { test } from "node:test";

import { settings, verdict } from "./policy.js";

const travel = { seen: 2, labels: [["category", "travel"]] };

test("an ad is kept, scored or dropped", () => {
  assert.deepEqual(verdict(travel, settings({})), { tag: "keep" });
  assert.deepEqual(verdict(travel, settings({ wanted: ["travel"] })), { tag: "score", val: 10 });
  assert.deepEqual(verdict(travel, settings({ max_seen: 2 })), { tag: "drop", val: "seen 2 times" });
});

test("a setting of a wrong type is named", () => {
  assert.throws(() => settings({ score: "high" }), { message: "config: `score` must be a number" });
});
