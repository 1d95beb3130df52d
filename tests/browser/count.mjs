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
 * Where a player reports: quartiles come when so much of the ad has been shown, within `tolerance` seconds, in the last
 * three breaks. Of one that was under way when the player came it saw only a part.
 */
export function checkTimes(found, tolerance) {
  for (const { ad, times } of ofLastBreaks(found)) {
    for (const [type, quarters] of Object.entries(QUARTERS)) {
      const due = times.impression + (lengthOf(ad) * quarters) / 4;
      const off = times[type] - due;
      assert.ok(Math.abs(off) <= tolerance, `${type} of ${ad} came ${off.toFixed(1)} s off`);
    }
  }
}

/**
 * Where segments count: each event of the last three breaks has the time at which the player first fetched the segment
 * that proves it. When that is, is the player's matter: it fetches two at once where it looked for news a little late.
 * `fetches` are the addresses of segments with the times of their requests and answers in seconds, by any clock that
 * goes as the server's does.
 */
export function checkFetches(found, fetches) {
  const first = {};
  for (const { url, from, to } of fetches.toSorted((a, b) => a.from - b.from)) {
    const [, avail, place, ad, index] = /\/ad\/([^/]+)\/(\d+)\/([^/]+)\/[^/]+\/\d+-(\d+)\//.exec(url) ?? assert.fail(`no address of an ad's segment: ${url}`);
    first[`${avail}/${place}/${ad}/${index}`] ??= { from, to };
  }
  for (const { showing, ad, times } of ofLastBreaks(found)) {
    for (const type of TYPES) {
      const index = provedBy(type, lengthOf(ad));
      const fetch = first[`${showing}/${index}`];
      assert.ok(fetch, `${type} of ${showing} was counted, its segment ${index} was never fetched`);
      const [early, late] = [fetch.from - times[type], times[type] - fetch.to];
      assert.ok(early <= CLOCKS, `${type} of ${showing} was counted ${early.toFixed(2)} s before segment ${index} was asked for`);
      assert.ok(late <= CLOCKS, `${type} of ${showing} was counted ${late.toFixed(2)} s after segment ${index} had come`);
    }
  }
}

/** Seconds by which the clocks of a page and of a server on one machine may differ. */
const CLOCKS = 0.1;
/** Seconds of a segment of the demo's ads. */
const SEGMENT = 2;

/** The segment (from 0) that contains, or ends at, the moment of an event. */
export function provedBy(type, length) {
  const moment = (length * (QUARTERS[type] ?? 0)) / 4;
  return Math.max(0, Math.ceil(moment / SEGMENT) - 1);
}

/** What was shown to its end in the last three breaks. */
function ofLastBreaks(found) {
  const whole = Object.entries(found).map(([showing, what]) => ({ showing, ...what })).filter(({ times }) => 'complete' in times);
  const last = [...new Set(whole.sort((a, b) => a.times.complete - b.times.complete).map(({ avail }) => avail))].slice(-3);
  return whole.filter(({ avail }) => last.includes(avail));
}

function lengthOf(ad) {
  return DURATIONS[ad] ?? assert.fail(`the demo's ad ${ad} has no known length`);
}

/** Seconds of the ads of the demo's tenant. */
const DURATIONS = { 'red-cola': 10, 'green-bank': 10, 'orange-snack': 6, 'purple-air': 14, 'station-slate': 6 };
