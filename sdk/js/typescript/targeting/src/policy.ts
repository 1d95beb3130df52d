// Which ads to drop, and which to prefer. It knows no host: try it with `npm test`.

import { count, field, number, text, texts, type Config } from "./config.ts";
import type { Candidate } from "./contract.ts";
import type { Verdict } from "./targeting.ts";

export function settings(config: Config) {
  return {
    label: field(config, "label", text) ?? "category",
    wanted: field(config, "wanted", texts) ?? [],
    score: field(config, "score", number) ?? 10,
    maxSeen: field(config, "max_seen", count) ?? Infinity,
  };
}

/** Drops an ad that was seen too often, scores one whose label is wanted, keeps all others as they are. */
export function verdict(ad: Pick<Candidate, "seen" | "labels">, rule: ReturnType<typeof settings>): Verdict {
  if (ad.seen >= rule.maxSeen) return { tag: "drop", val: `seen ${ad.seen} times` };
  const label = ad.labels.find(([name]) => name === rule.label);
  return label && rule.wanted.includes(label[1]) ? { tag: "score", val: rule.score } : { tag: "keep" };
}
