"""Runs a command that a killed parent does not leave behind: `python tied.py PARENT COMMAND…`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence


def tied(command: Sequence[str]) -> list[str]:
    """The command that this process is to start instead. Only Linux can tell of a parent's end."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main(parent: str, *command: str) -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() == int(parent):  # else it has gone before it could be told of
        os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
