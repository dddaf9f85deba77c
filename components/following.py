"""Following a prediction at a page's pace: never silent for long, never faster than the eye."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator

from predictions.prediction import Prediction

TICK = 0.5
PACE = 1 / 20


async def ticking(
    snapshots: AsyncIterator[Prediction], tick: float = TICK, pace: float = PACE
) -> AsyncGenerator[Prediction, None]:
    """Each snapshot that comes in time, at most one every `pace` seconds, the last always; after
    `tick` seconds of silence the newest again, so that clocks go on.
    """
    upcoming = asyncio.ensure_future(snapshots.__anext__())
    latest: Prediction | None = None
    try:
        while True:
            await asyncio.wait({upcoming}, timeout=tick)
            if upcoming.done():
                try:
                    latest = upcoming.result()
                except StopAsyncIteration:
                    return
                upcoming = asyncio.ensure_future(snapshots.__anext__())
            if latest is not None:
                sent = time.monotonic()
                yield latest
                await asyncio.sleep(max(0.0, pace - (time.monotonic() - sent)))
    finally:
        upcoming.cancel()
