"""Which ads to drop, and which to prefer. It knows no host: try it with `python3 -m unittest discover src`."""

from dataclasses import dataclass

from fields import count, field, number, text, texts


@dataclass
class Rule:
    label: str
    wanted: list[str]
    score: float
    max_seen: int | None

    @classmethod
    def read(cls, config):
        return cls(
            label=field(config, "label", text, "category"),
            wanted=field(config, "wanted", texts, []),
            score=float(field(config, "score", number, 10)),
            max_seen=field(config, "max_seen", count),
        )

    def is_tired_of(self, ad):
        return self.max_seen is not None and ad.seen >= self.max_seen

    def wants(self, ad):
        return any(name == self.label and value in self.wanted for name, value in ad.labels)
