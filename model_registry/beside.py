"""What takes its time goes on beside the app, in threads that never keep it from ending."""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Beside(Generic[T]):
    """Readings by name, at most `threads` at once."""

    def __init__(self, threads: int) -> None:
        self._free = threads
        self._waiting: queue.SimpleQueue[tuple[Future[T], Callable[[], T]]] = queue.SimpleQueue()
        self._readings: dict[str, Future[T]] = {}

    def begin(self, name: str, read: Callable[[], T]) -> None:
        """In place of a reading by that name that has not ended."""
        reading = self._readings[name] = Future()
        self._waiting.put((reading, read))
        if self._free:
            self._free -= 1
            threading.Thread(target=self._work, name="beside", daemon=True).start()

    def wait(self, seconds: float | None) -> None:
        """Until all have ended, or for so long. Blocks."""
        concurrent.futures.wait(self._readings.values(), seconds)

    async def ended(self, name: str, seconds: float | None = None) -> bool:
        """Once the reading by that name has ended, or after so long; False where there is none."""
        reading = self._readings.get(name)
        if reading is None:
            return False
        await asyncio.wait([asyncio.wrap_future(reading)], timeout=seconds)
        return True

    def outcomes(self) -> Iterator[tuple[str, T]]:
        """Those that have ended since the last call, and what came of them."""
        for name, reading in list(self._readings.items()):
            if reading.done():
                del self._readings[name]
                yield name, reading.result()

    def close(self) -> None:
        """Nothing is begun any more."""
        while not self._waiting.empty():
            self._waiting.get()

    def _work(self) -> None:
        while True:
            reading, read = self._waiting.get()
            try:
                reading.set_result(read())
            except BaseException as error:
                reading.set_exception(error)
