"""The content hash of a model: a version's identity. What is slow to hash is remembered between
runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from model_registry.half_written import put

SKIPPED = {".git", ".cog", "__pycache__", ".venv", "node_modules", ".DS_Store", ".pytest_cache"}
"""What lies in model folders and belongs to no model."""
_CODE = (".py", ".yaml", ".yml", ".toml", ".whl")
_LARGE = 1 << 20


class Fingerprints:
    """Hashes with a memory, kept in the file `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            self._known = json.loads(path.read_text())
        self._used: dict[str, Any] = {}
        self._saving = threading.Lock()

    def of(self, roots: Iterable[Path], *more: str) -> str:
        """64 hex digits over the names and contents of all files below `roots`, and over `more`."""
        digest = hashlib.sha256()
        for text in more:
            digest.update(f"{len(text)}:{text}".encode())
        for root in roots:
            self._add(digest, root, list(files_below(root)))
        return digest.hexdigest()

    def of_folder(self, folder: Path, model: str) -> str:
        """64 hex digits over a model folder and the model's name: ids are unique across models.

        Models write into their own folder: downloaded weights, results. What was not there when
        this code was first seen is not part of the version, or its id would change by being used.
        """
        paths = list(files_below(folder))
        code = hashlib.sha256()
        self._add(code, folder, [path for path in paths if _is_code(path)])
        key = f"folder:{folder}"
        known = self._known.get(key)
        if known is None or known["code"] != code.hexdigest():
            names = [path.relative_to(folder).as_posix() for path in paths]
            known = {"code": code.hexdigest(), "files": names}
        self._known[key] = self._used[key] = known
        belonging = set(known["files"])
        digest = hashlib.sha256(model.encode())
        self._add(
            digest, folder, [p for p in paths if p.relative_to(folder).as_posix() in belonging]
        )
        return digest.hexdigest()

    def save(self) -> None:
        """Keeps what was used since the start, so that the memory does not grow for ever."""
        with self._saving:
            put(self._path, json.dumps(self._used.copy()))

    def _add(self, digest: Any, root: Path, paths: list[Path]) -> None:
        for path in paths:
            name = path.relative_to(root).as_posix() if path != root else path.name
            digest.update(f"{len(name)}:{name}:{self._of_file(path)}".encode())

    def _of_file(self, path: Path) -> str:
        state = path.stat()
        if state.st_size < _LARGE:
            return hashlib.sha256(path.read_bytes()).hexdigest()
        key = f"{path}:{state.st_size}:{state.st_mtime_ns}"
        if key not in self._known:
            digest = hashlib.sha256()
            with path.open("rb") as opened:
                while chunk := opened.read(1 << 20):
                    digest.update(chunk)
            self._known[key] = digest.hexdigest()
        self._used[key] = self._known[key]
        return str(self._known[key])


def code_state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells at little cost whether a folder's code has been edited: names, sizes and times."""
    found = []
    for path in filter(_is_code, files_below(folder)):
        with contextlib.suppress(FileNotFoundError):
            state = path.stat()
            found.append((str(path), state.st_size, state.st_mtime_ns))
    return tuple(found)


def _is_code(path: Path) -> bool:
    """Other texts (`.txt`, `.md`, `.json`) may as well be what a run has written."""
    return path.suffix in _CODE or path.match("requirements*.txt")


def files_below(root: Path) -> Iterator[Path]:
    """All files of a model's content, in a fixed order; `root` itself if it is a file. What is
    neither file nor folder (sockets, links to nothing) is left out.
    """
    if root.is_file():
        yield root
        return
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in SKIPPED)
        for name in sorted(files):
            path = Path(folder, name)
            if name not in SKIPPED and path.suffix != ".pyc" and path.is_file():
                yield path
