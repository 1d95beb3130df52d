// Which cues open a break. It knows no host: try it with `npm test`.

import { field, number, type Config } from "./config.ts";
import type { Avail } from "./contract.ts";
import type { Cue, Window } from "./detect.ts";

export function settings(config: Config) {
  return { minDuration: field(config, "min_duration", number) ?? 0 };
}

/** The breaks that the window's cues open, then the known ones that still reach into the window. */
export function find(
  window: Pick<Window, "start" | "cues">,
  known: Avail[],
  { minDuration }: ReturnType<typeof settings>,
): Avail[] {
  const found = new Map<string, Avail>();
  for (const cue of window.cues) {
    const { kind, duration } = cue;
    if (kind !== "out" || duration === null || duration <= 0 || duration < minDuration) continue;
    const avail = open(cue, duration);
    if (!found.has(avail.id)) found.set(avail.id, avail);
  }
  // A break outlives its cue, which leaves the window first.
  for (const avail of known) {
    if (avail.start + avail.duration > window.start && !found.has(avail.id)) found.set(avail.id, avail);
  }
  return [...found.values()];
}

function open(cue: Cue, duration: number): Avail {
  const upid = cue.signal?.upid ?? null;
  return {
    id: cue.id ?? `cue-${Math.round(cue.at * 1000)}`,
    start: cue.at,
    duration,
    kind: "replace",
    position: "mid-roll",
    closed: true,
    metadata: upid === null ? [] : [["upid", upid]],
  };
}
