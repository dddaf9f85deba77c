"""Spare children: processes that have imported the heavy libraries before anybody asks for them."""

from __future__ import annotations

import contextlib

from model_registry.spec import Version
from workers.process import ChildProcess

# A child learns only when it is loaded which GPU it may see: until then torch must not ask the
# driver, which looks once.
_ENVIRONMENT = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
_LONG_BUSY = 30
"""So many times in a row that something ran, a spare is begun all the same."""


class Spares:
    """As many children in reserve as asked for."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.children: list[ChildProcess] = []
        self._busy = 0

    def take(self, version: Version) -> ChildProcess | None:
        """A child for this version, if one waits that is of use: only where nothing has to be set
        before the imports.
        """
        code = version.code
        if not version.heavy or code.python or code.packages or code.environment:
            return None
        for child in self.children:
            if not child.gone.is_set():
                self.children.remove(child)
                return child
        return None

    async def refill(self, loads: bool, runs: bool) -> None:
        """Starts one more if one is missing and now is the time; asked once a second, with whether
        a model is being loaded or runs.
        """
        # What loads or runs has the machine to itself: its person waits, nobody waits for a spare.
        # Only where something always runs, the next cold start counts as well.
        self._busy = self._busy + 1 if runs else 0
        if loads or 0 < self._busy < _LONG_BUSY:
            return
        self.children = [child for child in self.children if not child.gone.is_set()]
        if len(self.children) < self.count:
            with contextlib.suppress(OSError):  # too many processes now: later, then
                self.children.append(await ChildProcess.start(None, _ENVIRONMENT, warm=True))

    async def end(self) -> None:
        for child in self.children:
            child.kill()
        for child in self.children:
            await child.gone.wait()
