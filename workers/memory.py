"""How much memory instances take: what runs have shown, what did not fit, and how that is told."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import re
from collections.abc import Iterable, Mapping, Sequence, Set

import psutil

from model_registry.spec import Rung, Version
from workers.devices import GIB, Device, machine_memory
from workers.floor import Occupant
from workers.scheduler import OFFLOAD, gigabytes

_NOTHING: Mapping[tuple[str, str], int] = {}
_ASKED = re.compile(r"(?:allocate|of size) ([\d.]+)( [KMGT]i?B)?")


SIZING = (
    "width", "height", "resolution", "megapixels", "scale", "enlarge", "tile",
    "render_size", "num_frames", "video_length", "duration", "seconds", "seconds_total",
    "num_outputs", "num_images", "batch_size", "num_beams", "max_tokens", "max_new_tokens",
)  # fmt: skip
"""Inputs that decide how much memory a run takes, as models call them."""


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

    def ran_out(self, version: Version, precision: str, device: Device) -> None:
        """Nothing of this version is placed so again as long as the app runs."""
        self._too_large.setdefault(version.id, set()).add((precision, device.name))

    def run_ran_out(self, version: Version, precision: str, device: Device, below: str) -> None:
        """A run found no more memory, which already was to try with less than it takes at `below`
        if that is said.
        """
        placed = precision, device.name
        if below:  # not for want of precision, then: it is this one that asks too much
            self._too_large.get(version.id, set()).discard((below, device.name))
        elif next_lower(version, precision) and placed not in self._worked.get(version.id, ()):
            self.ran_out(version, precision, device)

    def none_is_left(self, version: Version) -> None:
        """What a second instance found too little memory for, a first one may have."""
        worked = self._worked.get(version.id, set())
        self._too_large.get(version.id, set()).difference_update(worked)


PACKAGES = {"mxfp4": "kernels", "fp8": "torchao", "int8": "torchao", "4bit": "bitsandbytes"}
"""What has to be installed for a rung. `requirements-gpu.txt` has all but kernels, which runs code
that it fetches from the Hub: who wants that installs it.
"""


def ladder(version: Version) -> tuple[Rung, ...]:
    """The rungs that can be loaded with the packages and the memory that are there; all of them
    where none can. What packages a model of its own has is not known here.
    """
    if not version.ladder:  # asked for each prediction that is placed
        return ()
    missing = {r.precision for r in version.ladder if _missing(r.precision)}
    if version.code.packages:
        missing.clear()
    if _offloaded(version) > _there():
        missing.add(OFFLOAD)
    return tuple(r for r in version.ladder if r.precision not in missing) or version.ladder


def _offloaded(version: Version) -> int:
    """Bytes of the machine's memory that an instance takes whose weights are mostly not on the GPU:
    as many as it takes on a CPU, but for what the GPU holds. More than there are, and libraries
    read weights from the disk again for each step.
    """
    on_gpu = next((r.memory for r in version.ladder if r.precision == OFFLOAD), None)
    return 0 if on_gpu is None or version.memory is None else version.memory - on_gpu


_there = functools.cache(machine_memory)
"""Looked up in a dozen files otherwise, for each prediction that is placed."""


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
    names = [rung.precision for rung in version.ladder]
    if not device.gpu or precision not in names[1:]:
        return ""
    above = names[: names.index(precision)]
    skipped = [name for name in above if _missing(name)]
    told = f"Runs at {precision}:"
    if best := [name for name in above if name not in skipped]:
        told += f" {best[0]} does not fit on {device.hardware} beside what runs there."
    if skipped:
        told += f" {' and '.join(skipped)} would come first and {_needs(skipped)}"
    return told + "\n"


def spread(device: Device) -> str:
    """The line of the log of a prediction that runs on several cards, "" on one."""
    if not device.parts:
        return ""
    names = f"{', '.join(device.parts[:-1])} and {device.parts[-1]}"
    return f"Runs over {len(device.parts)} cards, {names}: none of them has room for it alone.\n"


def _needs(rungs: Sequence[str]) -> str:
    """The end of a sentence about rungs whose packages are missing."""
    packages = sorted({PACKAGES[each] for each in rungs})
    need = "needs" if len(rungs) == 1 else "need"
    source = "kernels" if packages == ["kernels"] else "-r requirements-gpu.txt"
    return f"{need} {' and '.join(packages)}: pip install {source}."


def ran_out(
    version: Version, device: Device, precision: str, held: int, error: str, loading: bool = False
) -> str:
    """Why what ran out of memory has failed: what it took, what there is, what to do. `held` is
    what it held at most, 0 if nobody knows; `error` is the library's own text.
    """
    at = f" at {precision}" if precision else ""
    told = f"Out of memory{at} on {_told(device, held, error)}. " + (
        "End what else holds its memory, or use a larger one." if loading else less(version)
    )
    names = [rung.precision for rung in version.ladder]
    below = version.ladder[names.index(precision) + 1 :] if precision in names else ()
    if smaller := [rung.precision for rung in below if _missing(rung.precision)]:
        told += f" It takes less at {' or '.join(smaller)}, which {_needs(smaller)}"
    return told


def would_fit(version: Version, devices: Iterable[Device]) -> str:
    """What to add where a version is refused, if all that it lacks is a package, or memory of the
    machine to be offloaded to.
    """
    gpus = [d for d in devices if d.gpu and (version.spreads or not d.parts)]
    fitting = [
        rung.precision
        for rung in version.ladder
        if any(
            gpu.takes(rung.memory) <= gpu.memory
            for gpu in gpus
            if not (gpu.parts and rung.precision == OFFLOAD)
        )
    ]
    lacking = [each for each in fitting if _missing(each)]
    told = f" It would at {' or '.join(lacking)}, which {_needs(lacking)}" if lacking else ""
    needed = _offloaded(version)
    if OFFLOAD in fitting and needed > machine_memory():
        told += (
            f" Offloaded, it would take {gigabytes(needed)} of the machine's memory besides, which "
            f"has {gigabytes(machine_memory())}."
        )
    return told


def less(version: Version) -> str:
    """What to do where a run has taken too much, with the inputs that decide how much."""
    names = [name for name in SIZING if name in version.input_schema.get("properties", ())]
    which = " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
    lower = f": lower {which}" if which else ""
    return f"Ask for a smaller or shorter output, or for fewer at once{lower}."


def killed(version: Version, held: int) -> str:
    """Why a prediction has failed whose process the system has ended. `held` is the most of the
    machine's memory that it is known to have held.
    """
    known = f" (it held {gigabytes(held)})" if held else ""
    return (
        f"The model's process was killed by the system{known}, most likely because the machine ran "
        f"out of memory, of which it has {gigabytes(machine_memory())}. {less(version)}"
    )


def stopped(version: Version, held: int, device: Device) -> str:
    """Why a prediction has failed whose process was ended in time."""
    return (
        f"The model held {gigabytes(held)} of memory and was stopped: all models together may hold "
        f"{gigabytes(device.memory)} here. {less(version)}"
    )


def _told(device: Device, held: int, error: str) -> str:
    name = device.hardware if device.gpu else "the CPU"
    asked = _ASKED.search(error)
    figures = [f"held {gigabytes(held)}"] if held else []
    if asked:
        more = asked[1] + asked[2] if asked[2] else gigabytes(int(float(asked[1])))
        figures.append(f"asked for {more} more")
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
        if device.parts:
            continue  # told of its cards
        planned = device.memory - sum(o.share for o in occupants if device.name in o.cards)
        missing = planned - free.get(device.name, planned)
        if missing >= GIB:  # less is how far estimates are off; whole ones, for a steady figure
            size = missing // GIB * GIB
            found.append(Occupant(f"others:{device.name}", "", device.name, size, busy=True))
    return found


def resident(processes: Iterable[int]) -> dict[int, int]:
    """Bytes of memory that each of these, which are children of this process, holds with all that
    it has started. All the machine's processes are looked through for that, so it is done once.
    """
    held = dict.fromkeys(processes, 0)
    belongs = {pid: pid for pid in held}
    for each in psutil.Process().children(recursive=True):  # who has started others before those
        with contextlib.suppress(psutil.Error):
            owner = belongs.get(each.pid) or belongs.get(each.ppid())
            if owner is not None:
                belongs[each.pid] = owner
                held[owner] += each.memory_info().rss
    return held
