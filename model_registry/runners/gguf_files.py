"""GGUF that was cut into several files, read as the one that it was. No runner: what loads models
imports it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FIRST = re.compile(r"-00001-of-(\d{5})(?=\.gguf$)", re.IGNORECASE)


@contextmanager
def joined() -> Iterator[None]:
    """While transformers reads GGUF, which it does from one file: to the first of several are added
    the tensors of the others. What the first says holds for all.
    """
    import gguf

    usual = gguf.GGUFReader

    class Whole(usual):  # type: ignore[misc, valid-type]
        def __init__(self, path: Any) -> None:
            super().__init__(path)
            for other in _others(Path(path)):
                self.tensors += usual(other).tensors

    gguf.GGUFReader = Whole  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        gguf.GGUFReader = usual  # type: ignore[misc]


def _others(first: Path) -> list[Path]:
    found = _FIRST.search(first.name)
    if not found:
        return []
    return [
        first.with_name(_FIRST.sub(f"-{number:05}-of-{found[1]}", first.name))
        for number in range(2, int(found[1]) + 1)
    ]
