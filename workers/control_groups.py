"""What Linux lets a container, a service or a cluster's job hold."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

OWN = Path("/proc/self/cgroup")
MOUNTED = Path("/sys/fs/cgroup")


def memory_limits() -> Iterator[int]:
    """Bytes that this process's own group, and each around it, may hold; of those without a limit
    nothing, or more than any machine has.
    """
    for folder, name, own in _hierarchies():
        # A container that is shown no more than its own groups finds its limit at their root.
        for group in (own, *own.parents):
            with contextlib.suppress(OSError, ValueError):  # not there, or "max"
                yield int((folder / group.relative_to("/") / name).read_text())


def _hierarchies() -> Iterator[tuple[Path, str, PurePosixPath]]:
    """Where groups lie, what a limit is called there, and which one is ours."""
    with contextlib.suppress(OSError):
        for line in OWN.read_text().splitlines():
            number, controllers, own = line.split(":", 2)
            if number == "0":
                yield MOUNTED, "memory.max", PurePosixPath(own)
            elif "memory" in controllers.split(","):
                yield MOUNTED / "memory", "memory.limit_in_bytes", PurePosixPath(own)
