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

test("a name becomes part of addresses, and notes have a limit", () => {
  const signal = { upid: `${"x".repeat(127)}\u00fcy` };
  const [avail] = find({ start: 0, cues: [{ ...cue, id: `Ad 1/\u00fc${"x".repeat(100)}`, signal }] }, [], settings({}));
  assert.equal(avail.id, `Ad_1__${"x".repeat(90)}`);
  assert.deepEqual(avail.metadata, [["upid", "x".repeat(127)]]);
});
