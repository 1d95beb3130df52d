// Which events are sent, and how they are written. It knows no host: try it with `npm test`.

import { field, text, texts, type Config } from "./config.ts";
import type { Event, OutboundRequest } from "./sink.ts";

export function settings(config: Config) {
  const url = field(config, "url", text);
  if (url === undefined) throw new Error("config: `url` is missing");
  return { url, types: field(config, "types", texts) };
}

/** One request for all events of the wanted types; none if there are none. */
export function requests(
  events: Pick<Event, "id" | "eventType" | "ad">[],
  { url, types }: ReturnType<typeof settings>,
): OutboundRequest[] {
  const wanted = types === undefined ? events : events.filter((event) => types.includes(event.eventType));
  if (wanted.length === 0) return [];
  const body = { events: wanted.map(({ id, eventType, ad }) => ({ id, type: eventType, ad })) };
  return [{ method: "POST", url, headers: [["Content-Type", "application/json"]], body: JSON.stringify(body) }];
}
