"""Who watches a prediction now: the newest snapshot, handed to any number of readers at their own
pace.

There is no buffer of events to overflow. Outputs and logs only grow within a prediction, so a
reader that comes late or reads slowly skips snapshots, never contents, and costs a run nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from predictions.prediction import Prediction


class _Channel:
    def __init__(self, prediction: Prediction) -> None:
        self.latest = prediction
        self.changed: asyncio.Future[None] | None = None
        self.ended: asyncio.Future[None] | None = None

    async def newer(self, seen: Prediction | None, seconds: float | None) -> Prediction:
        """The newest snapshot, once it is not `seen`, or as it is after `seconds`."""
        if self.latest is seen:
            if self.changed is None:
                self.changed = asyncio.get_running_loop().create_future()
            # `wait` leaves the future as it is: it is shared, and one reader that leaves must not
            # cancel it for the others.
            await asyncio.wait([self.changed], timeout=seconds)
        return self.latest

    def publish(self, prediction: Prediction) -> None:
        self.latest = prediction
        changed, self.changed = self.changed, None
        _wake(changed)
        if prediction.status.terminal:
            _wake(self.ended)


class Live:
    """All running predictions. A prediction is opened once, published often, and leaves with its
    terminal snapshot.
    """

    def __init__(self) -> None:
        self._channels: dict[str, _Channel] = {}

    def __contains__(self, prediction_id: str) -> bool:
        return prediction_id in self._channels

    def latest(self, prediction_id: str) -> Prediction | None:
        channel = self._channels.get(prediction_id)
        return channel.latest if channel else None

    def open(self, prediction: Prediction) -> None:
        self._channels[prediction.id] = _Channel(prediction)

    def publish(self, prediction: Prediction) -> None:
        channel = self._channels.get(prediction.id)
        if channel is None:
            return
        channel.publish(prediction)
        if prediction.status.terminal:
            del self._channels[prediction.id]

    async def follow(self, prediction_id: str) -> AsyncIterator[Prediction]:
        """The newest snapshot, then each newer one that the reader is in time for, the terminal one
        always and last.
        """
        channel = self._channels[prediction_id]
        seen: Prediction | None = None
        while seen is None or not seen.status.terminal:
            seen = await channel.newer(seen, None)
            yield seen

    async def newer(self, seen: Prediction, seconds: float) -> Prediction | None:
        """The newest snapshot of a prediction, which is `seen` itself if nothing has changed in
        `seconds`; None for one that is not running.
        """
        channel = self._channels.get(seen.id)
        return await channel.newer(seen, seconds) if channel else None

    async def ended(self, prediction_id: str, seconds: float) -> Prediction | None:
        """The terminal snapshot, or the newest one after `seconds`; None for a prediction that is
        not running.
        """
        channel = self._channels.get(prediction_id)
        if channel is None:
            return None
        if channel.ended is None:
            channel.ended = asyncio.get_running_loop().create_future()
        await asyncio.wait([channel.ended], timeout=None if seconds == float("inf") else seconds)
        return channel.latest


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
