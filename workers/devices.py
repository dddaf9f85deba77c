"""What this machine has to run models on. Asks the driver, never torch, which would hold memory in
the parent.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import psutil

from workers.control_groups import memory_limits

GIB = 1 << 30
TIMES = " × "
"""Between how many cards a set has and what they are, in the name of its hardware."""
_LEFT_FREE = GIB // 2
"""Bytes of a GPU that no model is planned into: the driver and the screen take some of it."""
_UNEVEN = 0.04
"""What each card of a set adds to the memory of what is spread over it: layers stay whole, so that
one card gets up to two more than another, and each has a context of its own.
"""


@dataclass(frozen=True)
class Device:
    """One placement. `memory` is what models may hold there together, in bytes; `environment` makes
    a child see only this device.

    `hardware` is the name that prices and history use. A set of equal cards is a device too, whose
    `parts` are their names: what is placed there takes as much of each.
    """

    name: str
    hardware: str
    memory: int
    max_instances: int
    max_loading: int = 2
    environment: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[str, ...] = ()

    @property
    def gpu(self) -> bool:
        return self.name != "cpu"

    @property
    def cards(self) -> tuple[str, ...]:
        """The names of those whose memory it is."""
        return self.parts or (self.name,)

    def takes(self, memory: int) -> int:
        """Bytes that what takes so many on one card is taken to need here."""
        return int(memory * (1 + _UNEVEN * len(self.parts))) if self.parts else memory


def find_devices(cpu_instances: int, cpu_memory: int | None = None) -> tuple[Device, ...]:
    """The GPUs of the machine, the sets of equal ones, then its CPU. `cpu_memory` None: 80 % of the
    machine's memory.
    """
    gpus = _gpus()
    return (*gpus, *_sets(gpus), _cpu(cpu_instances, cpu_memory))


def machine_memory() -> int:
    """Bytes of the machine, or of the container, service or job that this runs in."""
    return min((int(psutil.virtual_memory().total), *memory_limits()))


def _cpu(instances: int, memory: int | None) -> Device:
    usable = memory or int(machine_memory() * 0.8)
    loading = max(2, os.cpu_count() or 1)
    # An empty list hides the GPUs, so that a model placed on the CPU cannot take memory that nobody
    # planned for.
    return Device("cpu", "cpu", usable, instances, loading, {"CUDA_VISIBLE_DEVICES": ""})


def _gpus() -> list[Device]:
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no driver, no permission: either way there is no GPU to use
        return []
    devices = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        free = pynvml.nvmlDeviceGetMemoryInfo(handle).free
        name, uuid = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlDeviceGetUUID(handle)
        usable = int(free) - _LEFT_FREE
        devices.append(Device(f"cuda:{index}", name, usable, 64, 2, {"CUDA_VISIBLE_DEVICES": uuid}))
    return devices


def _sets(gpus: Sequence[Device]) -> list[Device]:
    """Neighbours of one kind by twos, by fours and so on, then all of them: enough for a model to
    find as many as it needs, and few enough to plan with.
    """
    found = []
    for hardware in dict.fromkeys(gpu.hardware for gpu in gpus):
        equal = [gpu for gpu in gpus if gpu.hardware == hardware]
        width = 2
        while width < 2 * len(equal):
            width = min(width, len(equal))
            for first in range(0, len(equal) - width + 1, width):
                found.append(_set(equal[first : first + width]))
            width *= 2
    return found


def _set(cards: Sequence[Device]) -> Device:
    numbers = "+".join(card.name.removeprefix("cuda:") for card in cards)
    visible = ",".join(card.environment["CUDA_VISIBLE_DEVICES"] for card in cards)
    return replace(
        cards[0],
        name=f"cuda:{numbers}",
        hardware=f"{len(cards)}{TIMES}{cards[0].hardware}",
        memory=len(cards) * min(card.memory for card in cards),
        environment={"CUDA_VISIBLE_DEVICES": visible},
        parts=tuple(card.name for card in cards),
    )


def free_now(devices: Iterable[Device]) -> dict[str, int]:
    """Bytes that are free for models on each GPU at this moment, by the device's name; of those
    that the driver does not answer for, nothing.
    """
    found = {}
    for device in devices:
        uuid = device.environment.get("CUDA_VISIBLE_DEVICES")
        if not device.gpu or device.parts or not uuid:
            continue
        try:
            import pynvml

            handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
            found[device.name] = int(pynvml.nvmlDeviceGetMemoryInfo(handle).free) - _LEFT_FREE
        except Exception:  # a driver that is updated while the app runs answers nothing any more
            continue
    return found
