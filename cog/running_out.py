"""Which errors say that memory ran out. Not Cog's: the child asks, and runners that catch."""

from __future__ import annotations

import re

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
        if not isinstance(seen, (ValueError, TypeError)) and _NO_MORE.search(text_of(seen)):
            return True
        # diffusers takes any error for that of a broken file, and raises another in its place.
        hidden = None if is_opinion or seen.__suppress_context__ else seen.__context__
        seen = seen.__cause__ or hidden
    return False


def text_of(error: BaseException) -> str:
    """What the error says, "" where even that fails: its class is the model's own."""
    try:
        return str(error)
    except Exception:
        return ""
