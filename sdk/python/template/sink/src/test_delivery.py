import unittest
from types import SimpleNamespace

from delivery import Delivery, body
from fields import ConfigError

URL = "https://example.com/events"
CLICK = SimpleNamespace(id="1", event_type="click", ad=None)


class DeliveryTest(unittest.TestCase):
    def test_events_are_wanted_by_their_type(self):
        self.assertTrue(Delivery.read({"url": URL}).wants(CLICK))
        self.assertFalse(Delivery.read({"url": URL, "types": ["start"]}).wants(CLICK))

    def test_the_body_is_compact(self):
        self.assertEqual(body([CLICK]), '{"events":[{"id":"1","type":"click","ad":null}]}')

    def test_the_address_is_required(self):
        with self.assertRaisesRegex(ConfigError, "^config: `url` is missing$"):
            Delivery.read({})
