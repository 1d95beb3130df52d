import unittest
from types import SimpleNamespace

from breaks import identity, notes, openings, still_on

CUE = SimpleNamespace(at=12.5, id=None, duration=30.0, signal=None)


class BreaksTest(unittest.TestCase):
    def test_a_cue_with_a_length_opens_a_break(self):
        self.assertEqual(openings([CUE, CUE], 0), [CUE])
        self.assertEqual(openings([CUE], 31), [])
        self.assertEqual(identity(CUE), "cue-12500")

    def test_a_name_becomes_part_of_addresses_and_notes_have_a_limit(self):
        signal = SimpleNamespace(upid="x" * 127 + "\u00fcy")
        cue = SimpleNamespace(at=12.5, id="Ad 1/\u00fc" + "x" * 100, signal=signal)
        self.assertEqual(identity(cue), "Ad_1__" + "x" * 90)
        self.assertEqual(notes(cue), [("upid", "x" * 127)])

    def test_a_known_break_stays_until_its_end_has_left_the_window(self):
        old = SimpleNamespace(id="old", start=0.0, duration=10.0)
        self.assertEqual(still_on([old], set(), 9.0), [old])
        self.assertEqual(still_on([old], set(), 10.0), [])
        self.assertEqual(still_on([old], {"old"}, 9.0), [])
