"""What an error of a model's code says: in one sentence, as a traceback, and whether memory ran
out.
"""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from cog import InvalidInput
from errors import disk_is_full
from workers import messages

_OWN_FOLDERS = tuple(
    str(Path(__file__).resolve().parent.parent / name) for name in ("cog", "workers")
)
_NO_MORE = re.compile(
    r"out of memory|bad_alloc|(can't|cannot|failed to) allocate memory|not enough memory"
    r"|ALLOC_FAILED|MemoryError",
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this error, or one that it came from, says that memory ran out. Libraries say so in
    errors of their own; told by name and text, none has to be imported.
    """
    # A ValueError about memory is the model's own opinion on an input.
    is_opinion = isinstance(error, (ValueError, TypeError))
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError):
            return True
        names = {kind.__name__ for kind in type(seen).__mro__}
        if "OutOfMemoryError" in names:
            return True
        if not isinstance(seen, (ValueError, TypeError)) and _NO_MORE.search(_text(seen)):
            return True
        # diffusers takes any error for that of a broken file, and raises another in its place.
        hidden = None if is_opinion or seen.__suppress_context__ else seen.__context__
        seen = seen.__cause__ or hidden
    return False


def of_run(prediction_id: str, error: BaseException, seconds: float) -> messages.Failed:
    out_of_memory = is_out_of_memory(error)
    return messages.Failed(prediction_id, _reason(error), _traceback(error), seconds, out_of_memory)


def of_setup(error: BaseException) -> messages.SetupFailed:
    return messages.SetupFailed(_reason(error), _traceback(error), is_out_of_memory(error))


def _reason(error: BaseException) -> str:
    """The error in one sentence: its text, led by its type where the text alone would puzzle."""
    text = _sendable(_text(error)).strip()
    if disk_is_full(error):
        return f"The disk is full: {text}. Make room where Atelier's data folder is; run it again."
    if type(error) in (ValueError, InvalidInput, RuntimeError, Exception) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _text(error: BaseException) -> str:
    """What the error says, "" where even that fails: its class is the model's own."""
    try:
        return str(error)
    except Exception:
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
