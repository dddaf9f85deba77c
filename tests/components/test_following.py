"""Following at a page's pace."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from components.following import ticking


async def test_the_newest_is_told_again_while_nothing_changes():
    forever = asyncio.Event()

    async def silent():
        yield "only"
        await forever.wait()

    seen = []
    async with aclosing(ticking(silent(), tick=0.01, pace=0)) as snapshots:
        async for each in snapshots:
            seen.append(each)
            if len(seen) == 3:
                break
    assert seen == ["only"] * 3


async def test_it_ends_with_the_last():
    async def three():
        for each in range(3):
            yield each

    assert [each async for each in ticking(three(), pace=0)] == [0, 1, 2]


async def test_leaving_ends_the_source():
    left = asyncio.Event()

    async def source():
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            left.set()

    async with aclosing(ticking(source(), pace=0)) as snapshots:
        async for _ in snapshots:
            break
    await asyncio.wait_for(left.wait(), 5)
