// Which ads fill a break. It knows no host: try it with `npm test`.

import { count, field, type Config } from "./config.ts";
import type { Candidate } from "./contract.ts";

/** Seconds: lengths are sums of decimal fractions, which are seldom exact. */
const TOLERANCE = 1e-6;

export function settings(config: Config) {
  return { maxAds: field(config, "max_ads", count) ?? Infinity };
}

/** Takes each ad that still fits, best first, and no two of one category. */
export function choose(
  candidates: Pick<Candidate, "duration" | "category">[],
  duration: number,
  { maxAds }: ReturnType<typeof settings>,
): number[] {
  const pod: number[] = [];
  const categories = new Set<string>();
  let taken = 0;
  for (const [place, { duration: length, category }] of candidates.entries()) {
    if (pod.length >= maxAds) break;
    if (length > duration - taken + TOLERANCE) continue;
    if (category !== null) {
      if (categories.has(category)) continue;
      categories.add(category);
    }
    pod.push(place);
    taken += length;
  }
  return pod;
}
