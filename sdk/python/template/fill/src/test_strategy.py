import unittest
from types import SimpleNamespace

from fields import ConfigError
from strategy import choose, max_ads

ADS = [
    SimpleNamespace(duration=20.0, category="cars"),
    SimpleNamespace(duration=10.0, category="cars"),
    SimpleNamespace(duration=15.0, category=None),
    SimpleNamespace(duration=10.0, category=None),
]


class StrategyTest(unittest.TestCase):
    def test_a_pod_fits_and_has_no_category_twice(self):
        self.assertEqual(choose(ADS, 30.0, None), [0, 3])
        self.assertEqual(choose(ADS, 60.0, None), [0, 2, 3])
        self.assertEqual(choose(ADS, 60.0, 1), [0])

    def test_a_setting_of_a_wrong_type_is_named(self):
        with self.assertRaisesRegex(ConfigError, "^config: `max_ads` must be a whole number, 0 or more$"):
            max_ads({"max_ads": 1.5})
