"""What the host calls. The rule itself is in rule.py."""

from componentize_py_types import Err
from wit_world.exports.targeting import Verdict_Drop, Verdict_Keep, Verdict_Score
from wit_world.imports import config

from fields import ConfigError, parse
from rule import Rule


class Targeting:
    def judge(self, request, candidates):
        """One verdict for each candidate, in the order given."""
        try:
            rule = Rule.read(parse(config.get()))
        except ConfigError as error:
            raise Err(str(error))
        return [verdict(ad, rule) for ad in candidates]


def verdict(ad, rule):
    if rule.is_tired_of(ad):
        return Verdict_Drop(f"seen {ad.seen} times")
    if rule.wants(ad):
        return Verdict_Score(rule.score)
    return Verdict_Keep()
