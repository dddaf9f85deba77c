"""Memory that runs out, as libraries tell it or hide it. No runner: those that catch errors, and
what loads weights, import it.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator

_RAISED = re.compile(r"^[\w.]*(?:Error|Exception)\b.*$", re.MULTILINE)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch says with this that a GPU or the machine has no more memory."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


@contextlib.contextmanager
def conversions_told() -> Iterator[None]:
    """While transformers loads weights: it joins those of experts, or makes them smaller, and only
    logs what goes wrong in that, such as memory that runs out. Here the error says it.
    """
    log = logging.getLogger("transformers.modeling_utils")
    reports: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        reports.append(record.getMessage())
        return record.levelno >= logging.ERROR

    level = log.level
    log.setLevel(logging.WARNING)
    log.addFilter(keep)
    try:
        yield
    except RuntimeError as error:
        raised = _RAISED.search("".join(reports)) if "conversion" in str(error) else None
        if raised is None:
            raise
        raise RuntimeError(f"The weights cannot be brought to memory: {raised[0]}") from error
    finally:
        log.removeFilter(keep)
        log.setLevel(level)
