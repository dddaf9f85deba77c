"""Pushed models on disk: their folders by content, and what is on record of each version.

Below `published/` of the data folder:

    folders/<hash>/             a folder as it was pushed, and never written to again
    versions/<id>.json          a version: of which model, made of which folder, pushed when
    models/<owner>+<name>.json  what was said of a model; one without versions has only this
    incoming/<random>/          what is still on its way

Each of them is there whole or not at all, whatever is killed when. Several processes may push and
look at once: the app, and `app.py push` beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from errors import NotFound

_SETTLED = 2.0
"""Seconds until two changes of a folder are sure to have different times."""


class Pushed(msgspec.Struct, frozen=True):
    """One version. `source` is where its folder came from, in words."""

    model: str
    folder: str
    pushed_at: float
    source: str = ""


class About(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person has said of a model; a README in place of the one that its folder has."""

    created_at: float
    visibility: str = "private"
    description: str | None = None
    readme: str | None = None
    github_url: str | None = None
    paper_url: str | None = None
    license_url: str | None = None
    weights_url: str | None = None
    cover_image_url: str | None = None


class Held(msgspec.Struct, frozen=True):
    """What is on record of one model."""

    about: About
    versions: dict[str, Pushed]

    def newest_first(self) -> list[tuple[str, Pushed]]:
        return sorted(
            self.versions.items(), key=lambda each: (each[1].pushed_at, each[0]), reverse=True
        )


class Records:
    """What is below `root`. Who changes it holds it, with `locked`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._read: dict[Path, tuple[tuple[int, int], Any]] = {}

    def held(self, name: str) -> Held:
        """Raises `NotFound`."""
        held = self.all().get(name)
        if held is None:
            raise NotFound("Model", name)
        return held

    def all(self) -> dict[str, Held]:
        """All that is on record, by the names of the models."""
        versions: dict[str, dict[str, Pushed]] = {}
        for file, pushed in self._records("versions", Pushed):
            versions.setdefault(pushed.model, {})[file.stem] = pushed
        found = {
            name: Held(About(min(each.pushed_at for each in of.values())), of)
            for name, of in versions.items()
        }
        for file, about in self._records("models", About):
            name = file.stem.replace("+", "/")
            found[name] = Held(about, versions.get(name, {}))
        return found

    def _records(self, below: str, kind: type[Any]) -> Iterable[tuple[Path, Any]]:
        """The files of one folder with what is in them. What a person has broken is not there."""
        for file in sorted((self.root / below).glob("[!.]*.json")):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                state = file.stat()
                written = state.st_mtime_ns, state.st_ino
                known = self._read.get(file)
                if known is None or known[0] != written:
                    known = written, msgspec.json.decode(file.read_bytes(), type=kind)
                    self._read[file] = known
                yield file, known[1]

    def mark(self) -> object:
        """Another one after each change, at the cost of two looks at the disk. Never the same
        while a change so soon after another could be missed.
        """
        times = []
        for each in ("versions", "models"):
            with contextlib.suppress(OSError):
                times.append((self.root / each).stat().st_mtime_ns)
        if times and abs(time.time() - max(times) / 1e9) < _SETTLED:
            return object()
        return tuple(times)

    # --- on the way

    @contextlib.contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty folder on the same disk, gone afterwards."""
        with contextlib.ExitStack() as held:
            with self.locked():
                place = self._way_in()
                place.mkdir()
                held.enter_context(_flocked(place))
            try:
                yield place
            finally:
                _remove(place)

    def sweep(self) -> None:
        """Removes what pushes that were killed have left. Blocks."""
        if not self.root.is_dir():
            return
        with self.locked():
            for place in (self.root / "incoming").iterdir():
                with contextlib.suppress(BlockingIOError), _flocked(place, wait=False):
                    _remove(place)
            for each in ("versions", "models"):
                for half in (self.root / each).glob(".*"):
                    half.unlink(missing_ok=True)
            self._sweep_folders()

    # --- what is written, and where

    def folder(self, content: str) -> Path:
        return self.root / "folders" / content

    def _way_in(self) -> Path:
        return self.root / "incoming" / secrets.token_hex(8)

    def _version(self, version: str) -> Path:
        return self.root / "versions" / f"{version}.json"

    def _about(self, name: str) -> Path:
        return self.root / "models" / f"{name.replace('/', '+')}.json"

    def _make(self) -> None:
        for each in ("folders", "versions", "models", "incoming"):
            (self.root / each).mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One change at a time, over all processes."""
        self._make()
        with _flocked(self.root):
            yield

    def _write(self, file: Path, record: Any) -> None:
        fresh = file.with_name(f".{file.name}")
        with fresh.open("wb") as opened:
            opened.write(msgspec.json.encode(record))
            opened.flush()
            os.fsync(opened.fileno())
        fresh.replace(file)

    def put(self, version: str, pushed: Pushed) -> None:
        self._write(self._version(version), pushed)

    def put_about(self, name: str, about: About) -> None:
        self._write(self._about(name), about)

    def forget(self, version: str) -> None:
        """Also its folder, unless another version has it too."""
        self._version(version).unlink()
        self._sweep_folders()

    def forget_about(self, name: str) -> None:
        self._about(name).unlink()

    def _sweep_folders(self) -> None:
        used = {record.folder for _, record in self._records("versions", Pushed)}
        for folder in (self.root / "folders").iterdir():
            if folder.name not in used:
                # Out of the way first: half a folder must not be taken for a whole one.
                _remove(folder.rename(self._way_in()))


@contextlib.contextmanager
def _flocked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Holds a folder until the end, or until this process is killed. Raises `OSError` where another
    has it and this does not wait.
    """
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(opened)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
