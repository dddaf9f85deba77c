"""Spare children: processes that have imported the heavy libraries before anybody asks for them."""

from __future__ import annotations

import contextlib

from model_registry.spec import Version
from workers.process import ChildProcess

# A child learns only when it is loaded which GPU it may see: until then torch must not ask the
# driver, which looks once.
_ENVIRONMENT = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}


class Spares:
    """As many children in reserve as asked for."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.children: list[ChildProcess] = []

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

    async def refill(self) -> None:
        """Starts one more if one is missing."""
        self.children = [child for child in self.children if not child.gone.is_set()]
        if len(self.children) < self.count:
            with contextlib.suppress(OSError):  # too many processes now: later, then
                self.children.append(await ChildProcess.start(None, _ENVIRONMENT, warm=True))

    async def end(self) -> None:
        for child in self.children:
            child.kill()
        for child in self.children:
            await child.gone.wait()
