"""Keys of this data folder, each in a file that only its owner may read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """What the file holds; `make` gives it where there is nothing yet. What is killed meanwhile, or
    meets a full disk, leaves no half of a key, and no empty one: anybody could sign with that.
    """
    key = path.read_bytes() if path.exists() else b""
    if not key:
        key, fresh = make(), path.with_name(f"{path.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(key)
        os.replace(fresh, path)
    return key
