// Which cues open a break. It knows no host: try it with `npm test`.

import { field, number, type Config } from "./config.ts";
import type { Avail } from "./contract.ts";
import type { Cue, Window } from "./detect.ts";

// What the host takes of an id and of a note. It hashes ids that are longer or have other signs, and refuses the answer
// where one cannot stand in an address or a note is longer.
const MAX_ID_CHARACTERS = 96;
const MAX_NOTE_BYTES = 128;

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
    id: cue.id ? clean(cue.id) : `cue-${Math.round(cue.at * 1000)}`,
    start: cue.at,
    duration,
    kind: "replace",
    position: "mid-roll",
    closed: true,
    metadata: upid === null ? [] : [["upid", shortened(upid)]],
  };
}

/** Origins name cues as they like; an avail's id becomes part of addresses. */
function clean(id: string): string {
  return id.replace(/[^A-Za-z0-9_.-]/gu, "_").slice(0, MAX_ID_CHARACTERS);
}

/** The whole characters that fit into a note. */
function shortened(text: string): string {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes > MAX_NOTE_BYTES) break;
    end += character.length;
  }
  return text.slice(0, end);
}
