"""What a model lets be heard and seen while it runs: prints, metrics and previews, output files."""

from __future__ import annotations

import contextvars
import io
import os
import shutil
from pathlib import Path
from typing import Any

from workers import messages
from workers.parent import Parent

prediction_in_context: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "prediction_in_context", default=None
)


class PrintedText(io.RawIOBase):
    """Stands in for stdout and stderr: what is printed goes to the prediction that prints it, or to
    the set-up's log.
    """

    def __init__(self, parent: Parent, running: set[str]) -> None:
        self._parent = parent
        self._running = running

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
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

    def metric(self, name: str, value: Any, mode: str) -> None:
        self._parent.send(messages.Metric(self._id, name, value, mode))

    def progress(self, done: float, total: float | None, unit: str) -> None:
        self._parent.send(messages.Progress(self._id, done, total, unit))

    def preview(self, image: bytes) -> None:
        self._parent.send(messages.Preview(self._id, image))


def save_output(file: Any, folder: Path, work: Path) -> Path:
    """Brings an output file into the prediction's folder: moved if the model made it for us, copied
    if it is the model's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not isinstance(file, str | os.PathLike):
        target = _free_name(folder, Path(str(getattr(file, "name", "output"))).name)
        with target.open("wb") as written:
            shutil.copyfileobj(file, written)
        return target
    source = Path(file)
    if not source.is_file():
        raise FileNotFoundError(
            f"The model returned the file {str(source)!r}, which does not exist."
        )
    target = _free_name(folder, source.name)
    if source.resolve().is_relative_to(work.resolve()) and not source.is_symlink():
        shutil.move(source, target)
    else:
        shutil.copyfile(source, target)
    return target


def _free_name(folder: Path, name: str) -> Path:
    name = os.fsencode(name).decode("utf-8", "replace")  # a message carries no half characters
    target = folder / name
    number = 1
    while target.exists():
        target = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
        number += 1
    return target
