import assert from "node:assert/strict";
import { test } from "node:test";

import type { Avail } from "./contract.ts";
import type { Cue } from "./detect.ts";
import { find, settings } from "./policy.ts";

const cue: Cue = {
  at: 12.5,
  kind: "out",
  dialect: "cue-out",
  id: null,
  duration: 30,
  elapsed: null,
  signal: null,
};
const old: Avail = {
  id: "old",
  start: 0,
  duration: 10,
  kind: "replace",
  position: "mid-roll",
  closed: true,
  metadata: [],
};

test("a cue with a length opens a break", () => {
  const [avail] = find({ start: 0, cues: [cue] }, [], settings({}));
  assert.deepEqual([avail.id, avail.start, avail.duration], ["cue-12500", 12.5, 30]);
  assert.deepEqual(find({ start: 0, cues: [cue] }, [], settings({ min_duration: 31 })), []);
});

test("a known break stays until its end has left the window", () => {
  assert.deepEqual(find({ start: 9, cues: [] }, [old], settings({})), [old]);
  assert.deepEqual(find({ start: 10, cues: [] }, [old], settings({})), []);
});

test("a name becomes part of addresses, and notes have a limit", () => {
  const signal = {
    command: "time_signal",
    segmentationType: 0x34,
    upid: `${"x".repeat(127)}\u00fcy`,
    upidType: null,
    segmentNum: null,
    segmentsExpected: null,
  };
  const named = { ...cue, id: `Ad 1/\u00fc${"x".repeat(100)}`, signal };
  const [avail] = find({ start: 0, cues: [named] }, [], settings({}));
  assert.equal(avail.id, `Ad_1__${"x".repeat(90)}`);
  assert.deepEqual(avail.metadata, [["upid", "x".repeat(127)]]);
});
