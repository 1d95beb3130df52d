// Pure functions that hold what was counted against what was on screen.
import assert from 'node:assert/strict';

export const TYPES = ['impression', 'start', 'first_quartile', 'midpoint', 'third_quartile', 'complete'];
const QUARTERS = { first_quartile: 1, midpoint: 2, third_quartile: 3, complete: 4 };

/** Ads of breaks, each with the picture that was on screen. Slate is no ad. */
export function adsOf(breaks) {
  return breaks.flatMap(({ ads }) => ads.filter(({ picture }) => picture !== 'slate'));
}

/** Events that count, by the ad in its place, with their times. */
export function counted(events) {
  const found = {};
  for (const { event_type: type, break_id: avail, pod_position: place, ad_id: ad, time, counted_by: by } of events) {
    if (!TYPES.includes(type)) continue;
    const showing = (found[`${avail}/${place}/${ad}`] ??= { ad, avail, by: new Set(), times: {} });
    assert.ok(!(type in showing.times), `${type} of ${ad} counted twice in ${avail}`);
    showing.times[type] = Date.parse(time) / 1000;
    showing.by.add(by);
  }
  return found;
}

/** Every ad of whole breaks was counted with all its events; nothing else was, but in the breaks cut off at either end. */
export function checkCounted(seen, found, by) {
  const whole = Object.values(found).filter(({ times }) => TYPES.every((type) => type in times));
  const colours = whole.map(({ ad, times }) => [times.impression, ad.split('-')[0]]).sort(([a], [b]) => a - b).map(([, colour]) => colour);
  const shown = seen.map(({ picture }) => picture);
  assert.ok(shown.length >= 3, `${shown.length} ads were on screen`);
  const text = colours.join(' → ');
  assert.ok(text.includes(shown.join(' → ')), `on screen: ${shown.join(' → ')}; counted: ${text}`);
  // A break that was under way at the start, or the one after the last, may add a pod of four at most.
  assert.ok(whole.length - shown.length <= 4, `${whole.length} ads were counted, ${shown.length} were on screen`);
  for (const { ad, by: ways } of whole) assert.deepEqual([...ways], [by], `${ad} was counted by ${[...ways]}`);
}

/**
 * Quartiles come when so much of the ad has been shown: within `tolerance` seconds, in the last three breaks. In one that
 * was under way when the player came, it fetched several segments at once.
 */
export function checkTimes(found, tolerance) {
  const showings = Object.values(found).filter(({ times }) => 'complete' in times);
  const last = [...new Set(showings.sort((a, b) => a.times.complete - b.times.complete).map(({ avail }) => avail))].slice(-3);
  for (const { ad, times } of showings.filter(({ avail }) => last.includes(avail))) {
    const length = DURATIONS[ad];
    assert.ok(length, `the demo's ad ${ad} has no known length`);
    for (const [type, quarters] of Object.entries(QUARTERS)) {
      const due = times.impression + (length * quarters) / 4;
      const off = times[type] - due;
      assert.ok(Math.abs(off) <= tolerance, `${type} of ${ad} came ${off.toFixed(1)} s off`);
    }
  }
}

/** Seconds of the ads of the demo's tenant. */
const DURATIONS = { 'red-cola': 10, 'green-bank': 10, 'orange-snack': 6, 'purple-air': 14, 'station-slate': 6 };
