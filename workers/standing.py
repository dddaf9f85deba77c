"""How versions that are kept loaded are doing, as a health check tells it."""

from __future__ import annotations

import enum
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from workers.instance import Instance


class State(enum.Enum):
    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    FAILED = "failed"


@dataclass(frozen=True)
class Setup:
    """A version's newest set-up. Times are Unix seconds; `failed` says how it ended once it has."""

    started_at: float
    completed_at: float | None = None
    failed: bool = False
    logs: str = ""


@dataclass(frozen=True)
class Standing:
    state: State
    setup: Setup | None = None


class Setups:
    """Remembers the newest set-up of the versions that are asked for by `watch`."""

    def __init__(self) -> None:
        self._newest: dict[str, Setup | None] = {}

    def watch(self, versions: Iterable[str]) -> None:
        self._newest = {version: self._newest.get(version) for version in versions}

    def began(self, instance: Instance) -> None:
        if instance.version.id in self._newest:
            self._newest[instance.version.id] = Setup(time.time())

    def ended(self, instance: Instance) -> None:
        """It is ready, or has failed, as the instance itself says."""
        begun = self._newest.get(instance.version.id)
        if begun is not None and begun.completed_at is None:
            failure, logs = instance.setup.failure, instance.setup.log
            if failure is not None and failure.reason not in logs:
                logs += f"{failure.reason}\n"
            self._newest[instance.version.id] = replace(
                begun, completed_at=time.time(), failed=failure is not None, logs=logs
            )

    def standing(self, version: str, instances: Iterable[Instance]) -> Standing:
        setup = self._newest.get(version)
        own = [each for each in instances if each.version.id == version and not each.leaving]
        if any(not each.loading for each in own):
            free = any(each.occupant().free_slots for each in own)
            return Standing(State.READY if free else State.BUSY, setup)
        if not own and setup is not None and setup.failed:
            return Standing(State.FAILED, setup)
        return Standing(State.STARTING, setup)
