"""What the host calls. The strategy itself is in strategy.py."""

from componentize_py_types import Err
from wit_world.imports import config

from fields import ConfigError, parse
from strategy import choose, max_ads


class Fill:
    def fill(self, request, candidates):
        """Places in `candidates`, in the order to play."""
        try:
            limit = max_ads(parse(config.get()))
        except ConfigError as error:
            raise Err(str(error))
        return choose(candidates, request.avail.duration, limit)
