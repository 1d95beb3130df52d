// Pure functions over what watch.js noted: stalls, jumps, and which pictures were on screen in which order.

/** Without the first second of media: players fill their buffers there and may seek to the live edge. */
export function settled(samples) {
  return samples.filter(({ time }) => time >= samples[0].time + 1);
}

/** The longest time in seconds that playback stood still, and the media time it stood at. */
export function longestStall(samples) {
  let longest = { seconds: 0, at: 0 };
  let since = samples[0] ?? longest;
  for (const sample of samples) {
    if (sample.time > since.time + 0.001) since = sample;
    const seconds = sample.wall - since.wall;
    if (seconds > longest.seconds) longest = { seconds, at: sample.time };
  }
  return longest;
}

/** The longest piece of media in seconds that was jumped over (a player that skips a hole), and where. */
export function longestJump(samples) {
  let longest = { seconds: 0, at: 0 };
  samples.forEach((sample, index) => {
    const before = samples[index - 1] ?? sample;
    const seconds = sample.time - before.time - (sample.wall - before.wall);
    if (seconds > longest.seconds) longest = { seconds, at: sample.time };
  });
  return longest;
}

/** Consecutive samples of one picture, with the media time they span. Unknown pictures belong to what was before. */
export function runs(samples) {
  const found = [];
  for (const { picture, time, date } of samples) {
    const last = found.at(-1);
    if (last && (picture === last.picture || picture === 'unknown')) {
      last.to = time;
    } else if (picture !== 'unknown') {
      if (last) last.to = time;
      found.push({ picture, from: time, to: time, date });
    }
  }
  return found.map((run) => ({ ...run, seconds: run.to - run.from }));
}

/**
 * Breaks: what ran between two stretches of content. `complete` when content of at least `margin` seconds was seen on
 * both sides, so that neither end of the break can have been missed.
 */
export function breaks(found, margin = 2) {
  const list = [];
  found.forEach((run, index) => {
    if (run.picture === 'content') return;
    const before = found[index - 1];
    if (!before || before.picture === 'content') {
      list.push({ ads: [], from: run.from, date: run.date, after: before?.seconds ?? 0, complete: false });
    }
    list.at(-1).ads.push(run);
    const next = found[index + 1];
    if (next?.picture === 'content') {
      const current = list.at(-1);
      current.complete = current.after >= margin && next.seconds >= margin;
    }
  });
  return list;
}

/** What a decision should look like on screen: its ads' colours in order, then slate where it filled up with one. */
export function expected({ pod, filler }) {
  // The demo's ads are named after their colours: red-cola, green-bank.
  const colours = pod.map(({ ad, duration_seconds }) => ({ picture: ad.split('-')[0], seconds: duration_seconds }));
  return filler === 'slate' ? [...colours, { picture: 'slate', seconds: null }] : colours;
}

/** Throws, with both sides in the message, unless a break showed what was decided. */
export function checkBreak(seen, decision, tolerance = 0.6) {
  const wanted = expected(decision);
  const shown = seen.ads.map(({ picture }) => picture).join(' → ');
  const planned = wanted.map(({ picture }) => picture).join(' → ');
  if (shown !== planned) throw new Error(`break ${decision.avail.id}: decided ${planned}, on screen ${shown}`);
  wanted.forEach(({ picture, seconds }, index) => {
    const actual = seen.ads[index].seconds;
    if (seconds !== null && Math.abs(actual - seconds) > tolerance) {
      throw new Error(`break ${decision.avail.id}: ${picture} lasts ${seconds} s but was on screen ${actual.toFixed(2)} s`);
    }
  });
}

/** The start of an avail on the media clock in milliseconds; accepts seconds since the epoch and ISO dates. */
export function startOf(decision) {
  const { start } = decision.avail;
  return typeof start === 'number' ? start * 1000 : Date.parse(start);
}
