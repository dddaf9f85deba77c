"""What a single file of weights says at its beginning: the names and shapes of its tensors, and in
GGUF what it is. Asks a Hub for no more of it than that.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from model_registry.hub import Hub
from model_registry.listing import Listing

_LONGEST = 100_000_000
"""Bytes that a beginning may have. That of a GGUF holds the whole vocabulary."""
_TEXT, _LIST = 8, 9
_NUMBERS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}


@dataclass(frozen=True)
class Header:
    """`shapes` are those of the tensors, by name; `said` is what else is told, without lists."""

    shapes: Mapping[str, tuple[int, ...]]
    said: Mapping[str, Any] = field(default_factory=dict)

    def has(self, *beginnings: str) -> bool:
        """Whether a tensor's name begins so."""
        return any(name.startswith(beginnings) for name in self.shapes)

    def numbers(self, *without: str) -> int:
        """How many numbers the tensors hold, without those whose names begin so."""
        return sum(
            math.prod(shape) for name, shape in self.shapes.items() if not name.startswith(without)
        )


def read(hub: Hub, listing: Listing, path: str) -> Header:
    """Of a safetensors or GGUF file. Raises `ValueError` where it is none, `CannotDownload`."""
    with hub.opened(listing.repo, listing.commit, path) as response:
        content = _Beginning(response.iter_bytes())
        return _gguf(content) if path.endswith(".gguf") else _safetensors(content)


def _safetensors(content: _Beginning) -> Header:
    (length,) = content.numbers("Q")
    held = json.loads(content.take(length))
    if not isinstance(held, dict):
        raise ValueError("it does not begin with the names of its tensors")
    said = held.pop("__metadata__", None)
    try:
        shapes = {name: tuple(map(int, each["shape"])) for name, each in held.items()}
    except (TypeError, KeyError):
        raise ValueError("it does not tell the shapes of its tensors") from None
    return Header(shapes, said if isinstance(said, dict) else {})


def _gguf(content: _Beginning) -> Header:
    if content.take(4) != b"GGUF":
        raise ValueError("it does not begin as a GGUF does")
    version, tensors, pairs = content.numbers("IQQ")
    if version not in (2, 3):
        raise ValueError(f"it is GGUF of version {version}; 2 and 3 can be read")
    said = {}
    for _ in range(pairs):
        name = content.text()
        (kind,) = content.numbers("I")
        value = _value(content, kind)
        if kind != _LIST:
            said[name] = value
    shapes = {}
    for _ in range(tensors):
        name = content.text()
        (count,) = content.numbers("I")
        shapes[name] = content.numbers("Q" * count)[::-1]
        content.numbers("IQ")
    return Header(shapes, said)


def _value(content: _Beginning, kind: int) -> Any:
    if kind in _NUMBERS:
        return content.numbers(_NUMBERS[kind])[0]
    if kind == _TEXT:
        return content.text()
    if kind != _LIST:
        raise ValueError(f"it holds a value of an unknown kind ({kind})")
    kind, count = content.numbers("IQ")
    if kind in _NUMBERS:
        content.take(struct.calcsize(_NUMBERS[kind]) * count)
    else:
        for _ in range(count):
            _value(content, kind)
    return None


class _Beginning:
    """Bytes in order, as many as are asked for."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._held = bytearray()
        self._at = 0
        self._left = _LONGEST

    def take(self, count: int) -> bytes:
        self._left -= count
        if self._left < 0:
            raise ValueError("what it says of itself is too long")
        while len(self._held) - self._at < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise ValueError("it ends too early")
            del self._held[: self._at]
            self._at = 0
            self._held += chunk
        self._at += count
        return bytes(self._held[self._at - count : self._at])

    def numbers(self, form: str) -> tuple[Any, ...]:
        form = f"<{form}"
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def text(self) -> str:
        (length,) = self.numbers("Q")
        return self.take(length).decode(errors="replace")
