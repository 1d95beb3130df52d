import assert from "node:assert/strict";
import { test } from "node:test";

import { find, settings } from "./policy.js";

const cue = { at: 12.5, kind: "out", id: null, duration: 30, signal: null };

test("a cue with a length opens a break", () => {
  const [avail] = find({ start: 0, cues: [cue] }, [], settings({}));
  assert.deepEqual([avail.id, avail.start, avail.duration], ["cue-12500", 12.5, 30]);
  assert.deepEqual(find({ start: 0, cues: [cue] }, [], settings({ min_duration: 31 })), []);
});

test("a known break stays until its end has left the window", () => {
  const known = [{ id: "old", start: 0, duration: 10 }];
  assert.deepEqual(find({ start: 9, cues: [] }, known, settings({})), known);
  assert.deepEqual(find({ start: 10, cues: [] }, known, settings({})), []);
});
