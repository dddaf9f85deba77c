"""How much memory instances take: what runs have shown, what did not fit, and how that is told."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import re
from collections.abc import Iterable, Mapping, Sequence, Set

import psutil

from model_registry.spec import Rung, Version
from workers.devices import GIB, Device
from workers.scheduler import Occupant, gigabytes

_NOTHING: Mapping[tuple[str, str], int] = {}
_ASKED = re.compile(r"allocate ([\d.]+ [KMGT]i?B)")


class Known:
    """What this run of the app has learnt about versions, by precision and device."""

    def __init__(self) -> None:
        self._measured: dict[str, dict[tuple[str, str], int]] = {}
        self._worked: dict[str, set[tuple[str, str]]] = {}
        self._too_large: dict[str, set[tuple[str, str]]] = {}

    def measured(self, version: Version) -> Mapping[tuple[str, str], int]:
        """The most bytes that an instance has held while it ran."""
        return self._measured.get(version.id, _NOTHING)

    def too_large(self, version: Version) -> Set[tuple[str, str]]:
        """At which precisions on which devices an instance has run out of memory from the start."""
        return self._too_large.get(version.id, frozenset())

    def saw(self, version: Version, precision: str, device: Device, size: int) -> None:
        """An instance that has run held this much at most; 0: it has not said."""
        self._worked.setdefault(version.id, set()).add((precision, device.name))
        if not size:
            return
        known = self._measured.setdefault(version.id, {})
        before = known.get((precision, device.name), 0)
        known[precision, device.name] = max(before, min(size, device.memory))

    def has_worked(self, version: Version, precision: str, device: Device) -> bool:
        return (precision, device.name) in self._worked.get(version.id, ())

    def ran_out(self, version: Version, precision: str, device: Device) -> None:
        """Nothing of this version is placed so again as long as the app runs."""
        self._too_large.setdefault(version.id, set()).add((precision, device.name))

    def fits_after_all(self, version: Version, precision: str, device: Device) -> None:
        self._too_large.get(version.id, set()).discard((precision, device.name))


PACKAGES = {"fp8": "torchao", "int8": "torchao", "4bit": "bitsandbytes"}
"""What has to be installed for a rung (`requirements-gpu.txt` has both)."""


def ladder(version: Version) -> tuple[Rung, ...]:
    """The rungs that can be loaded with the packages that are there; all of them where none can, or
    where the model has packages of its own.
    """
    if version.code.packages:
        return version.ladder
    return tuple(r for r in version.ladder if not _missing(r.precision)) or version.ladder


@functools.cache
def _missing(precision: str) -> str:
    """The package that this precision lacks, "" if it lacks none."""
    package = PACKAGES.get(precision, "")
    return package if package and importlib.util.find_spec(package) is None else ""


def next_lower(version: Version, precision: str) -> str | None:
    """The rung of a version's ladder below this one; None if there is none."""
    names = [rung.precision for rung in ladder(version)]
    if precision not in names[:-1]:
        return None
    return names[names.index(precision) + 1]


def tried_again(device: Device, precision: str, error: str) -> str:
    """The line of the log of a prediction that ran out of memory and is taken up again."""
    return f"Out of memory at {precision} on {_told(device, 0, error)}: trying again.\n"


def lowered(version: Version, precision: str, device: Device) -> str:
    """The line of the log of a prediction that runs at less than its model's best, "" at that."""
    best = version.ladder[0].precision if version.ladder else ""
    if not device.gpu or precision == best:
        return ""
    told = f"Runs at {precision}: {best} does not fit on {device.hardware} beside what runs there."
    above = version.ladder[1 : [rung.precision for rung in version.ladder].index(precision)]
    skipped = [rung.precision for rung in above if rung not in ladder(version)]
    if skipped:
        packages = " and ".join(sorted({PACKAGES[each] for each in skipped}))
        told += (
            f" {' and '.join(skipped)} would come first and need {packages}: "
            "pip install -r requirements-gpu.txt."
        )
    return told + "\n"


def ran_out(device: Device, precision: str, held: int, error: str, loading: bool = False) -> str:
    """Why what ran out of memory has failed: what it took, what there is, what to do. `held` is
    what it held at most, 0 if nobody knows; `error` is the library's own text.
    """
    at = f" at {precision}" if precision else ""
    return f"Out of memory{at} on {_told(device, held, error)}. " + (
        "End what else holds its memory, or use a larger one."
        if loading
        else "Ask for a smaller or shorter output, or for fewer at once."
    )


def _told(device: Device, held: int, error: str) -> str:
    name = device.hardware if device.gpu else "the CPU"
    asked = _ASKED.search(error)
    figures = [f"held {gigabytes(held)}"] if held else []
    figures += [f"asked for {asked[1]} more"] if asked else []
    took = f" (it {' and '.join(figures)})" if figures else ""
    return f"{name}, which has {gigabytes(device.memory)} for models{took}"


def others(
    devices: Iterable[Device], occupants: Sequence[Occupant], free: Mapping[str, int]
) -> list[Occupant]:
    """What other programs hold, as occupants that nothing moves: the room that by our plan should
    be free and is not. `free` is what the driver says, by the device's name.
    """
    found = []
    for device in devices:
        planned = device.memory - sum(o.memory for o in occupants if o.device == device.name)
        missing = planned - free.get(device.name, planned)
        if missing >= GIB:  # less is how far estimates are off; whole ones, for a steady figure
            size = missing // GIB * GIB
            found.append(Occupant(f"others:{device.name}", "", device.name, size, busy=True))
    return found


def resident(pid: int) -> int:
    """Bytes of memory that a process and all that it has started hold."""
    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += each.memory_info().rss
    return total
