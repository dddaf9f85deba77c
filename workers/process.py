"""One child process and the socket to it. Knows messages, not models: a spare is one of these that
nobody has loaded yet.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from model_registry import installing
from model_registry.spec import Code
from workers.devices import Device
from workers.messages import Frames, FromChild, Load, Message, frame

KILLED = "was killed by the system"
"""What is said of a process that SIGKILL has ended, and not from here."""
LARGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Has glibc ask Linux for pages of 2 MiB for what is large. Arrays that each run makes anew then
cost far less to touch: up to a quarter of a run on a CPU. Elsewhere nothing reads it.
"""
ROOT = Path(__file__).resolve().parent.parent


class Listener(Protocol):
    """Who a child's messages are for."""

    def received(self, messages: list[Message]) -> None: ...

    def printed(self, text: str) -> None: ...

    def exited(self, reason: str) -> None: ...


class ChildProcess(asyncio.Protocol):
    """Starts with `start`, ends with `kill` or by itself; either way `exited` is the last thing
    that its listener hears.

    What the process writes to its standard streams below Python arrives as text through `printed`,
    always before a message that the child sent after it.
    """

    def __init__(self) -> None:
        self.listener: Listener | None = None
        self.gone = asyncio.Event()
        self._frames = Frames(FromChild)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._socket: asyncio.Transport | None = None
        self._process: asyncio.SubprocessTransport | None = None
        self._output = -1
        self._failure = ""
        self._over = asyncio.Event()
        self._finishing: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls, python: str | None, environment: Mapping[str, str], warm: bool = False
    ) -> ChildProcess:
        """A new child that waits for `Load`. `warm`: it imports the heavy libraries meanwhile."""
        loop = asyncio.get_running_loop()
        child = cls()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        child._output, written = os.pipe()
        os.set_blocking(child._output, False)
        try:
            arguments = [python or sys.executable, "-m", "workers.child", str(theirs.fileno())]
            child._process, _ = await loop.subprocess_exec(
                lambda: _ExitWatch(child),
                *arguments,
                *(["--warm"] if warm else []),
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env={
                    **LARGE_PAGES,
                    **os.environ,
                    **environment,
                    **installing.variables(python),
                    "PYTHONPATH": str(ROOT),
                },
                cwd=str(ROOT),
            )
        except BaseException:
            ours.close()
            os.close(child._output)
            raise
        finally:
            theirs.close()
            os.close(written)
        loop.add_reader(child._output, child._read_output)
        child._socket, _ = await loop.create_connection(lambda: child, sock=ours)
        # Only now: a process may have ended before there was a socket to read the rest from.
        child._finishing = loop.create_task(child._finish())
        return child

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.get_pid()

    def send(self, message: Message) -> None:
        if self._socket is not None and not self._socket.is_closing():
            self._socket.write(frame(message))

    def kill(self) -> None:
        """Ends the process and everything it has started. Safe at any time and more than once."""
        if not self.gone.is_set() and self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    # --- called by the event loop

    def data_received(self, data: bytes) -> None:
        self._read_output()
        try:
            messages = self._frames.feed(data)
        except msgspec.DecodeError as error:
            self._failure = f"sent something that is no message ({error})"
            self.kill()
            return
        if messages and self.listener is not None:
            self.listener.received(messages)

    def _read_output(self) -> None:
        # As much as a pipe holds, and no more: what writes without end would never let go.
        for _ in range(16):
            if self._output < 0:
                return
            try:
                data = os.read(self._output, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                self._close_output()
                return
            text = self._decode(data)
            if text and self.listener is not None:
                self.listener.printed(text)
            if len(data) < 1 << 16:
                return

    def _close_output(self) -> None:
        if self._output >= 0:
            asyncio.get_running_loop().remove_reader(self._output)
            os.close(self._output)
            self._output = -1

    def process_exited(self) -> None:
        self._over.set()

    async def _finish(self) -> None:
        """What the process sent before it went may still lie in the socket: that is read first."""
        await self._over.wait()
        assert self._process is not None and self._socket is not None
        code = self._process.get_returncode()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        sock = self._socket.get_extra_info("socket")
        if sock is not None and not self._socket.is_closing():
            self._socket.pause_reading()
            await asyncio.sleep(0)
            with (
                socket.socket(fileno=os.dup(sock.fileno())) as duplicate,
                contextlib.suppress(BlockingIOError, ConnectionError),
            ):
                duplicate.setblocking(False)
                while rest := duplicate.recv(1 << 18):
                    self.data_received(rest)
        self._read_output()
        self._close_output()
        self._socket.close()
        self._process.close()
        self.gone.set()
        if self.listener is not None:
            self.listener.exited(self._failure or _reason(code))


def end_what_is_left(work: Path) -> None:
    """Ends what models have started and what has outlived them, where the system tells: it has the
    path that `Child` gives to such processes, below `work`. Blocks.
    """
    own = b"\0PYTHONPATH=" + os.fsencode(work) + b"/"
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it is another's, or has just ended
            if own in b"\0" + (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


def clear_away(work: Path) -> None:
    """What a model has left in its folder `work`, and what it has started in a session of its own
    and with it kept from others: a GPU's memory, say. Blocks.
    """
    end_what_is_left(work)
    shutil.rmtree(work, ignore_errors=True)


class _ExitWatch(asyncio.SubprocessProtocol):
    def __init__(self, child: ChildProcess) -> None:
        self._child = child

    def process_exited(self) -> None:
        self._child.process_exited()


def _reason(code: int | None) -> str:
    """How the process ended, as the end of the sentence "The model's process …"."""
    if code is None or code >= 0:
        return f"exited with code {code}"
    if -code == signal.SIGKILL:
        return KILLED
    try:
        return f"crashed ({signal.Signals(-code).name})"
    except ValueError:
        return f"was ended by signal {-code}"


def load_message(
    code: Code, device: Device, work: Path, precision: str = "", memory: int = 0
) -> Load:
    """What a child has to be told to load `code` on `device`. A spare learns here which devices it
    may see, and how many bytes of their memory are set aside for it: of a CPU's, what all models
    may hold.
    """
    most = memory if device.gpu else device.memory
    budget = {"ATELIER_MEMORY": str(most)} if most else {}
    return Load(
        folder=code.folder,
        target=code.target,
        environment={**device.environment, **budget, **code.environment},
        weights=code.weights,
        concurrency=code.concurrency,
        work=str(work),
        options=dict(code.options),
        precision=precision,
        trains=code.trains,
    )
