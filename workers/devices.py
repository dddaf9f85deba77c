"""What this machine has to run models on. Asks the driver, never torch, which would hold memory in
the parent.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import psutil

from workers.control_groups import memory_limits

GIB = 1 << 30
_LEFT_FREE = GIB // 2
"""Bytes of a GPU that no model is planned into: the driver and the screen take some of it."""


@dataclass(frozen=True)
class Device:
    """One placement. `memory` is what models may hold there together, in bytes; `environment` makes
    a child see only this device.

    `hardware` is the name that prices and history use.
    """

    name: str
    hardware: str
    memory: int
    max_instances: int
    max_loading: int = 2
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def gpu(self) -> bool:
        return self.name != "cpu"


def find_devices(cpu_instances: int, cpu_memory: int | None = None) -> tuple[Device, ...]:
    """The GPUs of the machine, then its CPU. `cpu_memory` None: 80 % of the machine's memory."""
    return (*_gpus(), _cpu(cpu_instances, cpu_memory))


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


def free_now(devices: Iterable[Device]) -> dict[str, int]:
    """Bytes that are free for models on each GPU at this moment, by the device's name; of those
    that the driver does not answer for, nothing.
    """
    found = {}
    for device in devices:
        uuid = device.environment.get("CUDA_VISIBLE_DEVICES")
        if not device.gpu or not uuid:
            continue
        try:
            import pynvml

            handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
            found[device.name] = int(pynvml.nvmlDeviceGetMemoryInfo(handle).free) - _LEFT_FREE
        except Exception:  # a driver that is updated while the app runs answers nothing any more
            continue
    return found
