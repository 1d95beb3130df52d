"""Reads what the tenant wrote under `config:`. Everything can be wrong there, so each field says what it has to be."""

import json
import math


class ConfigError(Exception):
    """What is wrong, in words for the tenant."""


def parse(text: str) -> dict:
    """From the JSON text of the host; `null` stands for no configuration."""
    config = json.loads(text)
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise ConfigError("config: must be a map of settings")
    return config


def field(config: dict, name: str, kind, default=None):
    """The field's value, `default` if it is not there. `kind` is one of the functions below."""
    value = config.get(name)
    if value is None:
        return default
    if not kind(value):
        raise ConfigError(f"config: `{name}` must be {kind.__doc__}")
    return value


def text(value) -> bool:
    """a text"""
    return isinstance(value, str)


def texts(value) -> bool:
    """a list of texts"""
    return isinstance(value, list) and all(map(text, value))


def number(value) -> bool:
    """a number"""
    return type(value) in (int, float) and math.isfinite(value)


def count(value) -> bool:
    """a whole number, 0 or more"""
    return type(value) is int and value >= 0
