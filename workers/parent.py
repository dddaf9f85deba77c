"""The parent, as a child sees it: a socket to it, and its wish to interrupt what runs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from types import FrameType

from cog import CancelationException
from workers.messages import Frames, Message, ToChild, frame

_SIGNALS = 200
_BETWEEN_SIGNALS = 0.05


class Parent:
    """The socket to the parent. Any thread may send; one thread receives."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._frames = Frames(ToChild)
        self._received: list[Message] = []
        self._lock = threading.Lock()
        self.interrupt = Interrupt()

    def send(self, *sent: Message) -> None:
        data = b"".join(map(frame, sent))
        with self.interrupt.held_back(), self._lock:
            self._socket.sendall(data)

    def receive(self) -> Message:
        """The next message; ends the process when the parent is gone."""
        while not self._received:
            data = self._socket.recv(1 << 18)
            if not data:
                os._exit(0)
            self._received = self._frames.feed(data)
        return self._received.pop(0)


class Interrupt:
    """Raises `CancelationException` in the main thread, while it runs the model's code and at no
    other moment.
    """

    def __init__(self) -> None:
        self._running: str | None = None
        self._wanted: str | None = None
        self._held_back = 0
        self._main = threading.main_thread().ident or 0
        signal.signal(signal.SIGUSR1, self._on_signal)

    def cancel(self, prediction_id: str) -> None:
        """Interrupts this prediction as soon as its code runs. Returns at once."""
        self._wanted = prediction_id
        threading.Thread(target=self._insist, args=(prediction_id,), daemon=True).start()

    def _insist(self, prediction_id: str) -> None:
        # A signal that lands just before a system call begins does not end that call; the next
        # one does. What has not listened by the last one, the parent kills.
        for _ in range(_SIGNALS):
            if self._wanted != prediction_id:
                return
            # One that had ended already leaves the next in peace.
            if self._running == prediction_id:
                signal.pthread_kill(self._main, signal.SIGUSR1)
            time.sleep(_BETWEEN_SIGNALS)

    @contextlib.contextmanager
    def running(self, prediction_id: str) -> Iterator[None]:
        self._running = prediction_id
        try:
            self._raise_if_wanted()
            yield
        finally:
            self._running = None

    @contextlib.contextmanager
    def held_back(self) -> Iterator[None]:
        """A message is sent whole or not at all: an interruption waits until it is out."""
        if threading.get_ident() != self._main:
            yield
            return
        self._held_back += 1
        try:
            yield
        finally:
            self._held_back -= 1
        self._raise_if_wanted()

    def _on_signal(self, signum: int, stack: FrameType | None) -> None:
        self._raise_if_wanted()

    def _raise_if_wanted(self) -> None:
        if self._wanted is not None and self._wanted == self._running and not self._held_back:
            self._wanted = None
            raise CancelationException("The prediction was canceled.")
