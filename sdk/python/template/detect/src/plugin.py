"""What the host calls. How breaks are found is in breaks.py."""

from componentize_py_types import Err
from wit_world.exports.detect import CueKind
from wit_world.imports import config
from wit_world.imports.types import Avail, AvailKind, Position

from breaks import identity, min_duration, notes, openings, still_on
from fields import ConfigError, parse


class Detect:
    def detect(self, window, known, channel):
        """Every avail of the window, each id once."""
        try:
            shortest = min_duration(parse(config.get()))
        except ConfigError as error:
            raise Err(str(error))
        outs = [cue for cue in window.cues if cue.kind == CueKind.OUT]
        found = [avail(cue) for cue in openings(outs, shortest)]
        return found + still_on(known, {avail.id for avail in found}, window.start)


def avail(cue):
    return Avail(
        id=identity(cue),
        start=cue.at,
        duration=cue.duration,
        kind=AvailKind.REPLACE,
        position=Position.MID_ROLL,
        closed=True,
        metadata=notes(cue),
    )
