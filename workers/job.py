"""A prediction on its way through the pool: as it waits, and inside an instance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_registry.spec import Version


@dataclass(eq=False)
class Job:
    """One prediction as the pool receives it. `inputs` are checked and complete, files are absolute
    paths; output files go to `folder`.
    """

    prediction_id: str
    version: Version
    inputs: dict[str, Any]
    folder: Path
    owner: str = ""
    context: dict[str, str] = field(default_factory=dict)
    order: int = 0
    overtaken: int = 0
    attempts: int = 0
    below: str = ""
    """Set when it ran out of memory: only a lower precision than this one will do."""


@dataclass
class Running:
    """A prediction inside an instance. `over` says that its end is already on record and that only
    the code is still to stop; `put_out` that some of its output is.
    """

    job: Job
    started: bool = False
    over: bool = False
    put_out: bool = False
    _timer: asyncio.TimerHandle | None = None

    def call_after(self, seconds: float, then: Callable[[Running], None]) -> None:
        """Instead of what was to be called before."""
        self.call_off()
        self._timer = asyncio.get_running_loop().call_later(seconds, then, self)

    def call_off(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
