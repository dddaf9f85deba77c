"""Prints the documents of many models, each in a process of its own that is forked off this one, in
which all of ours is imported already:

    python -m cog.describe_many

Its standard input is a socket. A byte there comes with three descriptors: a connection, and what
becomes the stdout and stderr of the next one. On the connection comes the line with the arguments
of `cog.describe`, in JSON; back go two numbers: its process and, at its end, how that has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

WIDTH = 4
"""Bytes of a number."""


def main() -> None:
    from cog import describe

    asked = socket.socket(fileno=0)
    # The system waits for them: what they have to say goes to those who ask.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        byte, descriptors, _, _ = socket.recv_fds(asked, 1, 3)
        if not byte:
            return
        if os.fork() == 0:
            asked.close()
            answer(describe.main, *descriptors)
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def answer(describe: Callable[[list[str]], int], connection: int, out: int, err: int) -> None:
    """One question, with a process of its own for what is the model's."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with socket.socket(fileno=connection) as asking:
        arguments = json.loads(asking.makefile().readline())
        process = os.fork()
        if process == 0:
            os.setsid()
            _send(asking, os.getpid())
            asking.close()
            _become(out, err)
            status = describe(arguments)
            sys.stderr.flush()
            # Threads or child processes that the import has started must not keep this alive.
            os._exit(status)
        threading.Thread(target=_end_with, args=(asking, process), daemon=True).start()
        _, status = os.waitpid(process, 0)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process, signal.SIGKILL)  # what it has started
        with contextlib.suppress(OSError):  # nobody has waited for what hung
            _send(asking, os.waitstatus_to_exitcode(status))


def _end_with(asking: socket.socket, process: int) -> None:
    """Who asked may be killed, and then nobody waits for what never ends."""
    with contextlib.suppress(OSError):
        asking.recv(1)
    for end in (os.killpg, os.kill):  # it may not lead a group of its own yet
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(process, signal.SIGKILL)


def _become(out: int, err: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for place, descriptor in enumerate((nothing, out, err)):
        if descriptor != place:
            os.dup2(descriptor, place)
            os.close(descriptor)


def _send(asking: socket.socket, number: int) -> None:
    asking.sendall(number.to_bytes(WIDTH, "big", signed=True))


if __name__ == "__main__":
    main()
