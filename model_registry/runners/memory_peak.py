"""How much memory a run took at its peak, as a metric. No runner: runners that compute with torch
import it.
"""

from __future__ import annotations

import sys

from cog import current_scope


def start() -> None:
    """A run begins."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def record() -> None:
    """Records `peak_memory`, in bytes: of the GPU since `start`, on a CPU of the whole process
    since it began.
    """
    current_scope().record_metric("peak_memory", _peak())


def _peak() -> int:
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
