"""Values of Python as values of TOML, and settings as arguments of the program."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any


def toml_value(value: Any) -> str:
    """A value in TOML, on one line.

    Raises TypeError for a value that TOML does not have.
    """
    if hasattr(value, "item") and not isinstance(value, (str, bytes)) and getattr(value, "ndim", 0) == 0:
        # A number of numpy.
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isnan(value):
            return "nan"
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        return repr(value)
    if isinstance(value, (str, os.PathLike)):
        # A string of JSON is one of TOML, but for one control character.
        return json.dumps(os.fspath(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_value(str(key))} = {toml_value(v)}" for key, v in value.items()) + " }"
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    raise TypeError(f"{value!r} is no value of a configuration: expected a number, text, list or dict")


def toml_document(config: Mapping[str, Any]) -> str:
    """A configuration as TOML, a line for each of its tables."""
    return "".join(f"{toml_value(str(key))} = {toml_value(value)}\n" for key, value in config.items())


def assignments(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Settings as the values of ``--set``: ``training={"batch_size": 32}`` is ``training.batch_size=32``."""
    for key, value in settings.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from assignments(value, f"{path}.")
        else:
            yield f"{path}={toml_value(value)}"
