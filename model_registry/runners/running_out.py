"""Memory that runs out while weights are loaded, where the library hides it. No runner: what loads
weights imports it.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator

_RAISED = re.compile(r"^[\w.]*(?:Error|Exception)\b.*$", re.MULTILINE)


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
