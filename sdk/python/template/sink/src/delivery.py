"""Which events are sent, and how they are written. It knows no host: try it with `python3 -m unittest discover src`."""

import json
from dataclasses import dataclass

from fields import ConfigError, field, text, texts


@dataclass
class Delivery:
    url: str
    types: list[str] | None

    @classmethod
    def read(cls, config):
        url = field(config, "url", text)
        if url is None:
            raise ConfigError("config: `url` is missing")
        return cls(url=url, types=field(config, "types", texts))

    def wants(self, event):
        return self.types is None or event.event_type in self.types


def body(events):
    rows = [{"id": event.id, "type": event.event_type, "ad": event.ad} for event in events]
    return json.dumps({"events": rows}, ensure_ascii=False, separators=(",", ":"))
