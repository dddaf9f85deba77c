"""What a model lets be heard and seen while it runs: prints, metrics and previews, output files."""

from __future__ import annotations

import contextlib
import contextvars
import io
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workers import messages
from workers.parent import Parent

LONGEST_NAME = 255
"""Bytes that a file system takes."""

PROGRESS_EVERY = 0.05
"""Seconds between two messages of progress, but that the last step is always told: quick steps must
not cost more to tell than to do."""

prediction_in_context: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "prediction_in_context", default=None
)


class PrintedText(io.RawIOBase):
    """Stands in for stdout and stderr: what is printed goes to the prediction that prints it, or to
    the set-up's log. `descriptor` is that of the real one, for the processes that the model starts.
    """

    def __init__(self, parent: Parent, running: set[str], descriptor: int) -> None:
        self._descriptor = descriptor
        self._process = os.getpid()
        self._parent = parent
        self._running = running

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if os.getpid() != self._process:
            # One that the model has forked: two that speak on one socket would break in on each
            # other.
            return os.write(self._descriptor, data)
        text = bytes(data).decode("utf-8", "replace")
        prediction_id = prediction_in_context.get()
        if prediction_id is None and len(self._running) == 1:
            # A thread that the model has started: its prints belong to the only prediction there
            # is.
            (prediction_id,) = self._running
        self._parent.send(
            messages.Log(prediction_id, text) if prediction_id else messages.SetupLog(text)
        )
        return len(data)


class Sink:
    """What a model reports through its scope, as messages."""

    def __init__(self, parent: Parent, prediction_id: str) -> None:
        self._parent = parent
        self._id = prediction_id
        self._progressed = 0.0

    def metric(self, name: str, value: Any, mode: str) -> None:
        self._parent.send(messages.Metric(self._id, name, value, mode))

    def progress(self, done: float, total: float | None, unit: str) -> None:
        now = time.monotonic()
        if now - self._progressed >= PROGRESS_EVERY or (total is not None and done >= total):
            self._progressed = now
            self._parent.send(messages.Progress(self._id, done, total, unit))

    def preview(self, image: bytes) -> None:
        self._parent.send(messages.Preview(self._id, image))


class OutputFiles:
    """Brings the output files of one prediction into its folder: moved if the model made them for
    us, copied if they are the model's own.
    """

    def __init__(self, folder: Path, work: Path) -> None:
        self._folder = folder
        self._work = work.resolve()
        self._moved: dict[Path, Path] = {}

    def save(self, file: Any) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        if not isinstance(file, str | os.PathLike):
            return self._written(file)
        source = Path(file).absolute()
        if not source.is_file():
            if source in self._moved:  # the model has named it twice
                return self._moved[source]
            what = "is a folder" if source.is_dir() else "does not exist"
            raise FileNotFoundError(f"The model returned the file {str(file)!r}, which {what}.")
        target = _free_name(self._folder, source.name)
        if source.resolve().is_relative_to(self._work) and not source.is_symlink():
            shutil.move(source, target)
            self._moved[source] = target
        else:
            with self._whole(target) as fresh:
                shutil.copyfile(source, fresh)
        return target

    def _written(self, file: Any) -> Path:
        """What an opened file holds, from its beginning."""
        target = _free_name(self._folder, Path(str(getattr(file, "name", "output"))).name)
        is_text = isinstance(file, io.TextIOBase)
        with contextlib.suppress(OSError):
            file.seek(0)
        encoding = "utf-8" if is_text else None
        with (
            self._whole(target) as fresh,
            fresh.open("w" if is_text else "wb", encoding=encoding) as opened,
        ):
            shutil.copyfileobj(file, opened)
        return target

    @contextlib.contextmanager
    def _whole(self, target: Path) -> Iterator[Path]:
        """Where to write what then is at `target`: a kill leaves no half of it there."""
        with tempfile.TemporaryDirectory(dir=self._work) as folder:
            fresh = Path(folder) / "file"
            yield fresh
            shutil.move(fresh, target)


def _free_name(folder: Path, name: str) -> Path:
    # Neither a message nor an address carries half characters and line breaks.
    name = os.fsencode(name).decode("utf-8", "replace")
    name = "".join(filter(str.isprintable, name)) or "output"
    target = folder / name
    number = 1
    while target.exists():
        ending = f"-{number}{Path(name).suffix}"
        stem = Path(name).stem
        while len(os.fsencode(stem + ending)) > LONGEST_NAME:
            stem = stem[:-1]
        target = folder / f"{stem}{ending}"
        number += 1
    return target
