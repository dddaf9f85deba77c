"""Llama 3.1 8B at its true size, with random weights.

    python -m pytest -s tests/gpu/test_llama.py

Needs a GPU with 20 GB free, 20 GB of memory, 18 GB of disk under the temporary folder, and some
minutes.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.gpu.conftest import pooled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

TOKENS = 256
INPUTS = {"prompt": "Once upon a time", "max_tokens": TOKENS, "temperature": 0, "seed": 0}
CHATS = 8


async def test_a_llama_through_the_pool_costs_no_more_than_the_library(llama, measured):
    bare, ours = await measured(llama, INPUTS)
    assert ours[0] < 1.03 * bare[0] + 0.1
    assert ours[1] < 1.1 * bare[1]


async def test_eight_chats_at_once_take_a_third_of_the_time_of_one_after_another(
    llama, gpu, tmp_path, say
):
    chats = [{**INPUTS, "prompt": f"{number} times upon a time"} for number in range(CHATS)]
    async with pooled([gpu], tmp_path) as pool:
        await asyncio.gather(*(pool.run(llama, chat) for chat in chats))
        began = time.perf_counter()
        for chat in chats:
            await pool.run(llama, chat)
        one_by_one = time.perf_counter() - began
        began = time.perf_counter()
        await asyncio.gather(*(pool.run(llama, chat) for chat in chats))
        together = time.perf_counter() - began
    written = CHATS * TOKENS
    say(
        f"{CHATS} chats with llama on {gpu.hardware}: one after another "
        f"{written / one_by_one:.0f} tokens/s, at once {written / together:.0f} tokens/s, "
        f"ratio {one_by_one / together:.2f}"
    )
    assert one_by_one > 3 * together
