"""A model's folder → a copy of it that is whole in itself: files, and links among them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from errors import BrokenModel, InvalidRequest
from model_registry.fingerprint import SKIPPED
from model_registry.sizes import size

RESERVE = 1_000_000_000
"""Bytes of the disk that no copy takes."""


def copy(source: Path, target: Path, model: str) -> tuple[str, ...]:
    """Copies what belongs to the model at `source` to `target`, which must not exist. The files of
    the copy cannot be written to: they are what a version is. Gives its links, as text.

    Raises `BrokenModel` for a link that leads out of the folder or to nothing, `InvalidRequest`
    where the disk has too little room.
    """
    source = source.resolve()
    folders, files, links = [], [], {}
    for path in _below(source):
        if path.is_symlink():
            links[path] = _led_to(path, source, model)
        elif path.is_dir():
            folders.append(path)
        elif path.is_file():
            files.append(path)
    check_room(target.parent, sum(path.stat().st_size for path in files), model)
    target.mkdir()
    for path in folders:
        (target / path.relative_to(source)).mkdir()
    for path in files:
        copied = target / path.relative_to(source)
        shutil.copyfile(path, copied)
        copied.chmod(0o444 | path.stat().st_mode & 0o111)
    for path, led_to in links.items():
        (target / path.relative_to(source)).symlink_to(led_to)
    return tuple(f"{path.relative_to(source).as_posix()} -> {to}" for path, to in links.items())


def check_room(place: Path, needed: int, what: str) -> None:
    """Raises `InvalidRequest` where the disk cannot take `needed` bytes."""
    free = shutil.disk_usage(place).free
    if needed > free - RESERVE:
        raise InvalidRequest(
            f"{what} has {size(needed)}, and the disk has {size(free)} left, of which "
            f"{size(RESERVE)} stay free. Make room, or choose another --data."
        )


def _below(folder: Path) -> Iterator[Path]:
    """All that belongs to a model, folders before what is in them. Follows no link."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda each: each.name)
    for entry in entries:
        if entry.name in SKIPPED or entry.name.endswith(".pyc"):
            continue
        yield Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path))


def _led_to(link: Path, root: Path, model: str) -> str:
    """Where a link leads, seen from its own folder."""
    name = link.relative_to(root).as_posix()
    try:
        led_to = link.resolve()
        there = led_to.exists()
    except (OSError, RuntimeError):  # in a circle
        there = False
    if not there:
        raise BrokenModel(model, f"{name} is a link to nothing. Remove it.")
    if not led_to.is_relative_to(root) or SKIPPED & {*led_to.relative_to(root).parts}:
        raise BrokenModel(
            model,
            f"{name} is a link out of the folder, to {os.readlink(link)}. Put the file there.",
        )
    return os.path.relpath(led_to, link.parent)
