"""Bytes that others send, as long as they come as fast as from anybody who means it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable

PATIENCE = 60.0
"""Seconds that a sender may take besides those that it has earned by its bytes."""
SLOWEST = 1_000
"""Bytes a second that have to come on the whole."""


async def in_time(
    chunks: AsyncIterator[bytes], too_slow: Callable[[int, float], Exception]
) -> AsyncGenerator[bytes, None]:
    """The chunks. Raises what `too_slow` makes of the bytes that came, and of the seconds that they
    had, once they are too few.
    """
    size, began = 0, time.monotonic()
    while True:
        allowed = PATIENCE + size / SLOWEST
        left = began + allowed - time.monotonic()
        try:
            chunk = await asyncio.wait_for(anext(chunks, None), max(0.0, left))
        except asyncio.TimeoutError:
            raise too_slow(size, allowed) from None
        if chunk is None:
            return
        size += len(chunk)
        yield chunk
