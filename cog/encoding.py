"""What a model returns → JSON. Files are handed to the caller, who knows where they go."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import io
import math
import os
import re
import tempfile
import types
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from cog.named_fields import pydantic_fields
from cog.types import Secret

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

MAX_LEVELS = 100
"""How deep lists and dicts may be nested: whoever reads them must be able to follow."""

FILE = "atelier:file"
"""The one key of the dictionary that stands for a file in inputs and outputs."""

SaveFile = Callable[[Any], dict[str, str]]


def encode(
    value: Any, save_file: SaveFile, where: str = "the output", levels: int = MAX_LEVELS
) -> Any:
    """JSON-able data. `save_file` gets each path or opened file and returns what stands for it.

    Raises `TypeError` for what cannot be JSON, `ValueError` for texts and numbers that cannot be
    sent; both say where it sits.
    """
    if value is None or value is True or value is False:
        return value
    if levels < 0:
        raise ValueError(
            f"The model returned lists or dicts nested more than {MAX_LEVELS} levels deep."
        )
    if isinstance(value, enum.Enum):
        return encode(value.value, save_file, where, levels)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"The model returned {value} in {where}; JSON has no such number.")
        return float(value)
    # A subclass, numpy's among them, is only its value here.
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"The model returned a whole number past 64 bits in {where}.")
        return int(value)
    if isinstance(value, (os.PathLike, io.IOBase, tempfile._TemporaryFileWrapper)):
        return save_file(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        whole = value.is_finite() and value == value.to_integral_value()
        return encode(int(value) if whole else float(value), save_file, where, levels)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Secret):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return {
            _key(key, where): encode(inner, save_file, f"{where}[{key!r}]", levels - 1)
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset, types.GeneratorType)):
        return [
            encode(item, save_file, f"{where}[{index}]", levels - 1)
            for index, item in enumerate(value)
        ]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return encode(fields, save_file, where, levels)
    if (names := pydantic_fields(type(value))) is not None:
        # One by one, so that files inside are found.
        fields = {name: getattr(value, name) for name in names}
        return encode(fields, save_file, where, levels)
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return encode(value.tolist(), save_file, where, levels)
    raise TypeError(
        f"The model returned {_article(type(value).__name__)} in {where}, which cannot be JSON. "
        "Return text, numbers, lists, dicts, cog.Path or a class with named fields."
    )


def _text(value: str, where: str) -> str:
    if not value.isascii() and _LONE_SURROGATE.search(value):
        raise ValueError(f"The model returned half a character (a lone surrogate) in {where}.")
    return str(value)


def _key(key: Any, where: str) -> str:
    if isinstance(key, enum.Enum):
        key = key.value
    if hasattr(key, "tolist"):  # one of numpy's scalars
        key = key.tolist()
    if isinstance(key, (str, int, float, bool)):
        return _text(str(key), where)
    raise TypeError(f"The model returned a dict in {where} with a {type(key).__name__} as a key.")


def _article(noun: str) -> str:
    return ("an " if noun[:1].lower() in "aeiou" else "a ") + noun
