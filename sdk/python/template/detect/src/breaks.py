"""Which cues open a break. It knows no host: try it with `python3 -m unittest discover src`."""

import math
import re

from fields import field, number

# What the host takes of an id and of a note. It hashes ids that are longer or have other signs, and refuses the answer
# where one cannot stand in an address or a note is longer.
MAX_ID_CHARACTERS = 96
MAX_NOTE_BYTES = 128


def min_duration(config):
    """Seconds: shorter breaks are left to the channel."""
    return field(config, "min_duration", number, 0)


def openings(outs, shortest):
    """Those of the cues that open a break; of those with one identity the first."""
    found = {}
    for cue in outs:
        if cue.duration is not None and cue.duration > 0 and cue.duration >= shortest:
            found.setdefault(identity(cue), cue)
    return list(found.values())


def still_on(known, found, start):
    """Known avails that reach into the window, unless found again: a break outlives its cue."""
    return [avail for avail in known if avail.start + avail.duration > start and avail.id not in found]


def identity(cue):
    """The same for the same break on every call."""
    # Not `round`, which takes halves to the even neighbour.
    return clean(cue.id) if cue.id else f"cue-{math.floor(cue.at * 1000 + 0.5)}"


def clean(name):
    """Origins name cues as they like; an avail's id becomes part of addresses."""
    return re.sub("[^A-Za-z0-9_.-]", "_", name)[:MAX_ID_CHARACTERS]


def notes(cue):
    """What rules may want to know of the break, by name."""
    if cue.signal is None or cue.signal.upid is None:
        return []
    # The whole characters that fit.
    return [("upid", cue.signal.upid.encode()[:MAX_NOTE_BYTES].decode(errors="ignore"))]
