// The judge is judged first: what was counted wrongly must not pass.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFetches, counted, provedBy, TYPES } from './count.mjs';

const AD = { avail: 'break-1', place: '0', ad: 'red-cola' };
// Segments of two seconds as a player fetches them that found the second and the third one together.
const REQUESTS = [100, 104, 104.1, 106, 108];
const fetches = REQUESTS.map((from, index) => ({ url: `http://x/v0/ad/${AD.avail}/${AD.place}/${AD.ad}/key/1-${index}/signed.ts`, from, to: from + 0.3 }));
const PROVED = { impression: 0, start: 0, first_quartile: 1, midpoint: 2, third_quartile: 3, complete: 4 };

function events(change = {}) {
  return counted(TYPES.map((type) => {
    const time = change[type] ?? REQUESTS[PROVED[type]] + 0.1;
    return { event_type: type, break_id: AD.avail, pod_position: AD.place, ad_id: AD.ad, time: new Date(time * 1000).toISOString(), counted_by: 'segment' };
  }));
}

test('a moment is proved by the segment that contains it or ends at it', () => {
  assert.deepEqual(TYPES.map((type) => provedBy(type, 10)), [0, 0, 1, 2, 3, 4]);
  assert.deepEqual(TYPES.map((type) => provedBy(type, 8)), [0, 0, 0, 1, 2, 3]);
  assert.deepEqual(TYPES.map((type) => provedBy(type, 6)), [0, 0, 0, 1, 2, 2]);
});

test('events that came with their segments pass, however the player fetched them', () => {
  checkFetches(events(), fetches);
  // Fetched again later: the first time counts.
  checkFetches(events(), [...fetches.map(({ url }) => ({ url, from: 300, to: 301 })), ...fetches]);
});

test('an event that came with another segment, or with none, does not pass', () => {
  assert.throws(() => checkFetches(events({ midpoint: 100.1 }), fetches), /midpoint of break-1\/0\/red-cola was counted 4.00 s before segment 2/);
  assert.throws(() => checkFetches(events({ complete: 110 }), fetches), /complete of .* was counted 1.70 s after segment 4 had come/);
  assert.throws(() => checkFetches(events(), fetches.slice(0, 4)), /complete of .* was counted, its segment 4 was never fetched/);
});

test('an event that counted twice does not pass', () => {
  const twice = ['start', 'start'].map((type) => ({ event_type: type, break_id: 'b', pod_position: '0', ad_id: 'a', time: '2026-01-01T00:00:00Z' }));
  assert.throws(() => counted(twice), /start of a counted twice in b/);
});
