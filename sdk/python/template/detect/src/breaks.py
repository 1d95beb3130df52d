"""Which cues open a break. It knows no host: try it with `python3 -m unittest discover src`."""

import math

from fields import field, number


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
    return f"cue-{math.floor(cue.at * 1000 + 0.5)}" if cue.id is None else cue.id


def notes(cue):
    """What rules may want to know of the break, by name."""
    if cue.signal is None or cue.signal.upid is None:
        return []
    return [("upid", cue.signal.upid)]
