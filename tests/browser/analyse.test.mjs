// The judge is judged first: a broken stream must not pass.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breaks, checkBreak, longestJump, longestStall, runs } from './analyse.mjs';

const samples = (...pieces) => {
  const list = [];
  let time = 0;
  for (const [picture, seconds] of pieces) {
    for (let step = 0; step < seconds * 10; step += 1, time += 0.1) list.push({ wall: 100 + time, time, picture, date: null });
  }
  return list;
};
const decision = { avail: { id: 'a' }, pod: [{ ad: 'red-cola', duration_seconds: 3 }, { ad: 'green-bank', duration_seconds: 2 }], filler: null };

test('a standstill is measured by the wall clock, a late sample alone is none', () => {
  const list = samples(['content', 3]);
  assert.ok(longestStall(list).seconds < 0.01);
  const frozen = list.map((sample, index) => (index < 15 ? sample : { ...sample, wall: sample.wall + 0.7 }));
  frozen.splice(15, 0, { ...list[14], wall: list[14].wall + 0.7 });
  assert.ok(Math.abs(longestStall(frozen).seconds - 0.7) < 0.01);
  const late = list.filter((_, index) => index < 10 || index > 18);
  assert.ok(longestStall(late).seconds < 0.01);
});

test('media that is jumped over is measured', () => {
  const list = samples(['content', 3]).map((sample, index) => (index < 15 ? sample : { ...sample, time: sample.time + 0.8 }));
  assert.ok(Math.abs(longestJump(list).seconds - 0.8) < 0.01);
});

test('a break that shows what was decided passes; other order, other length or a missing ad do not', () => {
  const seen = (...pieces) => breaks(runs(samples(['content', 3], ...pieces, ['content', 3])))[0];
  const good = seen(['red', 3], ['unknown', 0.2], ['green', 2]);
  assert.equal(good.complete, true);
  checkBreak(good, decision);
  assert.throws(() => checkBreak(seen(['green', 2], ['red', 3]), decision), /decided red → green, on screen green → red/);
  assert.throws(() => checkBreak(seen(['red', 5], ['green', 2]), decision), /red lasts 3 s/);
  assert.throws(() => checkBreak(seen(['red', 3]), decision), /on screen red$/);
});

test('a break cut off at either end is not complete', () => {
  assert.equal(breaks(runs(samples(['red', 3], ['content', 3])))[0].complete, false);
  assert.equal(breaks(runs(samples(['content', 3], ['red', 3])))[0].complete, false);
});
