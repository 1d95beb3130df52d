// Which ads fill a break. It knows no host: try it with `npm test`.

import { count, field } from "./config.js";

/** Seconds: lengths are sums of decimal fractions, which are seldom exact. */
const TOLERANCE = 1e-6;

export function settings(config) {
  return { maxAds: field(config, "max_ads", count) ?? Infinity };
}

/** Takes each ad that still fits, best first, and no two of one category. */
export function choose(candidates, duration, { maxAds }) {
  const pod = [];
  const categories = new Set();
  let taken = 0;
  for (const [place, ad] of candidates.entries()) {
    if (pod.length >= maxAds) break;
    if (ad.duration > duration - taken + TOLERANCE || categories.has(ad.category)) continue;
    pod.push(place);
    taken += ad.duration;
    if (ad.category !== null) categories.add(ad.category);
  }
  return pod;
}
