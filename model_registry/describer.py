"""A child process that describes models for us, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cog.describe_many import WIDTH
from model_registry import installing

ROOT = Path(__file__).resolve().parent.parent

PATIENCE = 0.5
"""Seconds that a process which hangs has to say where."""


@dataclass(frozen=True)
class Answer:
    """What a process printed, what it said on stderr, and its exit code, None if it hung."""

    printed: bytes
    said: bytes
    exit_code: int | None


class Describer:
    """`cog.describe` in the interpreter `python`, with its imports done once for all who ask while
    anybody holds it (`with`): it starts with the first question and ends with the last holder.
    """

    def __init__(
        self, python: str = sys.executable, environment: Mapping[str, str] | None = None
    ) -> None:
        self._python = python
        self._environment = environment or {}
        self._holders = 0
        self._started: tuple[subprocess.Popen[bytes], socket.socket] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Describer:
        with self._lock:
            self._holders += 1
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._holders -= 1
            if not self._holders:
                self._end()

    def ask(self, arguments: Sequence[str], timeout: float, running: set[int]) -> Answer:
        """Its process is among the `running` as long as it takes, `timeout` seconds at most."""
        ours, theirs = socket.socketpair()
        with ours, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with theirs:
                given = [theirs.fileno(), out.fileno(), err.fileno()]
                socket.send_fds(self._control(), [b"?"], given)
            ours.sendall(json.dumps(arguments).encode() + b"\n")
            exit_code = _ended(ours, timeout, running)
            out.seek(0)
            err.seek(0)
            return Answer(out.read(), err.read(), exit_code)

    def _control(self) -> socket.socket:
        """Where the process takes questions; one that is gone is replaced."""
        with self._lock:
            if self._started is not None and self._started[0].poll() is not None:
                self._end()
            if self._started is None:
                self._started = self._start()
            return self._started[1]

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [self._python, "-m", "cog.describe_many"],
                env={
                    **os.environ,
                    **self._environment,
                    **installing.variables(self._python),
                    "PYTHONPATH": str(ROOT),
                },
                cwd=ROOT,  # `-m` makes it importable, and anything may lie in ours
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        return process, ours

    def _end(self) -> None:
        if self._started is not None:
            process, control = self._started
            control.close()
            process.wait()
            self._started = None


def kill(process: int) -> None:
    """Also what it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


def _ended(connection: socket.socket, timeout: float, running: set[int]) -> int | None:
    """The exit code of the process that answers; None after the `timeout`, and then it has said
    where it was, if it could.
    """
    connection.settimeout(timeout)
    try:
        process = _number(connection)
    except TimeoutError:
        return None
    if process < 0:
        return process
    running.add(process)
    try:
        with contextlib.suppress(TimeoutError):
            return _number(connection)
        connection.settimeout(PATIENCE)
        with contextlib.suppress(TimeoutError, ProcessLookupError):
            os.kill(process, signal.SIGUSR1)
            _number(connection)
        return None
    finally:
        kill(process)
        running.discard(process)


def _number(connection: socket.socket) -> int:
    """What is told next; where nobody is left to tell, what a killed process ends with."""
    told = connection.recv(WIDTH)
    return int.from_bytes(told, "big", signed=True) if told else -signal.SIGKILL
