import unittest
from types import SimpleNamespace

from fields import ConfigError
from rule import Rule

TRAVEL = SimpleNamespace(seen=2, labels=[("category", "travel")])


class RuleTest(unittest.TestCase):
    def test_an_ad_is_wanted_for_its_label(self):
        self.assertFalse(Rule.read({}).wants(TRAVEL))
        self.assertTrue(Rule.read({"wanted": ["travel"]}).wants(TRAVEL))

    def test_an_ad_is_tiring_once_it_was_seen_often_enough(self):
        self.assertFalse(Rule.read({"max_seen": 3}).is_tired_of(TRAVEL))
        self.assertTrue(Rule.read({"max_seen": 2}).is_tired_of(TRAVEL))

    def test_a_setting_of_a_wrong_type_is_named(self):
        with self.assertRaisesRegex(ConfigError, "^config: `score` must be a number$"):
            Rule.read({"score": "high"})
