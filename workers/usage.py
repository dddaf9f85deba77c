"""How much memory this process holds, for the child's reports. Imports no library: it asks those
that the model has imported.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

CUDA_CONTEXT = 500_000_000
"""Bytes that the driver takes on a GPU for a process, besides what torch counts."""


def start() -> None:
    """From here on `peak` and `held` count anew, on a GPU."""
    _of_gpus("reset_peak_memory_stats")


def peak() -> int:
    """The most bytes that a model has used: of the GPU since `start`, if it has used one; else of
    the machine's memory since the process began. 0 if nobody can say.
    """
    return sum(_of_gpus("max_memory_allocated")) or _resident_peak()


def held() -> tuple[int, bool]:
    """The most bytes that this process has kept from others since `start`, and whether they are a
    GPU's: there torch keeps more than it uses. Of several GPUs, each is taken to hold as much as
    the fullest: it is planned in equal shares.
    """
    kept = _of_gpus("max_memory_reserved")
    return (len(kept) * (max(kept) + CUDA_CONTEXT), True) if kept else (_resident_peak(), False)


def _of_gpus(question: str) -> list[Any]:
    """What torch answers to a question about each GPU; nothing where it computes on none."""
    cuda: Any = getattr(sys.modules.get("torch"), "cuda", None)
    # A half-imported torch, a model's own "torch", a GPU that has failed: the report goes on.
    with contextlib.suppress(Exception):
        if cuda.is_initialized():
            return [getattr(cuda, question)(number) for number in range(cuda.device_count())]
    return []


def _resident_peak() -> int:
    # Not `getrusage`: what the app held when it started this process counts there.
    with contextlib.suppress(OSError, ValueError), open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 0
