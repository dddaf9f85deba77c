"""What an error of a model's code says: in one sentence, and as a traceback."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from cog import InvalidInput
from cog.running_out import is_out_of_memory, text_of
from errors import disk_is_full
from workers import messages

_OWN_FOLDERS = tuple(
    str(Path(__file__).resolve().parent.parent / name) for name in ("cog", "workers")
)


def of_run(prediction_id: str, error: BaseException, seconds: float) -> messages.Failed:
    out_of_memory = is_out_of_memory(error)
    return messages.Failed(prediction_id, _reason(error), _traceback(error), seconds, out_of_memory)


def of_setup(error: BaseException) -> messages.SetupFailed:
    return messages.SetupFailed(_reason(error), _traceback(error), is_out_of_memory(error))


def _reason(error: BaseException) -> str:
    """The error in one sentence: its text, led by its type where the text alone would puzzle."""
    text = _sendable(text_of(error)).strip()
    if disk_is_full(error):
        return f"The disk is full: {text}. Make room where Atelier's data folder is; run it again."
    if isinstance(error, FileNotFoundError) and (hint := _absent(error)):
        return f"{type(error).__name__}: {text}. {hint}"
    if type(error) in (ValueError, InvalidInput, RuntimeError, Exception) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _absent(error: FileNotFoundError) -> str:
    """What a person can do about what is not there, where that is known."""
    name = str(error.filename)
    innermost = [*traceback.walk_tb(error.__traceback__)][-1:]
    if os.sep not in name and any(at.f_code.co_name == "_execute_child" for at, _ in innermost):
        return f"The model starts a program that this machine does not have: install {name}."
    if name.startswith("/src/"):
        return "Only in an image of Cog's is /src the model's folder: write the path without it."
    return ""


def _traceback(error: BaseException) -> str:
    """The traceback from the model's first frame on: ours above it would only be in the way. None
    of an input that the model refuses: its sentence says all.
    """
    if isinstance(error, InvalidInput):
        return ""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OWN_FOLDERS):
        frames = frames.tb_next
    return _sendable("".join(traceback.format_exception(type(error), error, frames)))


def _sendable(text: str) -> str:
    """Names of files may hold half characters, which no message can carry."""
    return text.encode("utf-8", "backslashreplace").decode()
