import assert from "node:assert/strict";
import { test } from "node:test";

import { choose, settings } from "./policy.ts";

const ads = [
  { duration: 20, category: "cars" },
  { duration: 10, category: "cars" },
  { duration: 15, category: null },
  { duration: 10, category: null },
];

test("a pod fits and has no category twice", () => {
  assert.deepEqual(choose(ads, 30, settings({})), [0, 3]);
  assert.deepEqual(choose(ads, 60, settings({})), [0, 2, 3]);
  assert.deepEqual(choose(ads, 60, settings({ max_ads: 1 })), [0]);
});

test("a setting of a wrong type is named", () => {
  assert.throws(() => settings({ max_ads: 1.5 }), { message: "config: `max_ads` must be a whole number, 0 or more" });
});
