"""What the host calls. What is sent is in delivery.py."""

from componentize_py_types import Err
from wit_world.exports.sink import OutboundRequest
from wit_world.imports import config

from delivery import Delivery, body
from fields import ConfigError, parse


class Sink:
    def deliver(self, events):
        """Requests that the host sends for us."""
        try:
            delivery = Delivery.read(parse(config.get()))
        except ConfigError as error:
            raise Err(str(error))
        wanted = [event for event in events if delivery.wants(event)]
        if not wanted:
            return []
        headers = [("Content-Type", "application/json")]
        return [OutboundRequest(method="POST", url=delivery.url, headers=headers, body=body(wanted))]
