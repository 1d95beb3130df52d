// Which cues open a break. It knows no host: try it with `npm test`.

import { field, number } from "./config.js";

export function settings(config) {
  return { minDuration: field(config, "min_duration", number) ?? 0 };
}

/** The breaks that the window's cues open, then the known ones that still reach into the window. */
export function find(window, known, { minDuration }) {
  const found = new Map();
  for (const cue of window.cues) {
    if (cue.kind !== "out" || !(cue.duration > 0) || cue.duration < minDuration) continue;
    const avail = open(cue);
    if (!found.has(avail.id)) found.set(avail.id, avail);
  }
  // A break outlives its cue, which leaves the window first.
  for (const avail of known) {
    if (avail.start + avail.duration > window.start && !found.has(avail.id)) found.set(avail.id, avail);
  }
  return [...found.values()];
}

function open(cue) {
  const upid = cue.signal?.upid ?? null;
  return {
    id: cue.id ?? `cue-${Math.round(cue.at * 1000)}`,
    start: cue.at,
    duration: cue.duration,
    kind: "replace",
    position: "mid-roll",
    closed: true,
    metadata: upid === null ? [] : [["upid", upid]],
  };
}
