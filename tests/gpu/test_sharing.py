"""Two models of true size that take turns on a GPU too small for both.

    python -m pytest -s tests/gpu/test_sharing.py

Needs what both of `test_flux.py` and `test_llama.py` need.
"""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from tests.gpu import test_flux, test_llama
from tests.gpu.conftest import pooled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


async def test_models_take_turns_on_a_card_and_give_all_its_memory_back(
    flux, llama, gpu, tmp_path, say
):
    card = dataclasses.replace(gpu, memory=40_000_000_000)
    async with pooled([card], tmp_path) as pool:
        empty = pool.free()
        turns = [(llama, test_llama.INPUTS), (flux, test_flux.INPUTS)]
        seconds = [await pool.run(*turn) for turn in [*turns, turns[0], turns[0], turns[1]]]
        assert len(pool.precisions()) == 1, "both are loaded, beyond what there is"
    held = empty - await settled(pool, empty)
    names = ("llama, empty card", "flux in its place", "llama again", "llama warm", "flux again")
    said = ", ".join(f"{name} {each:.1f} s" for name, each in zip(names, seconds, strict=True))
    say(f"turns on 40 GB of {gpu.hardware}: {said}; {held / 1e9:.1f} GB not given back")
    assert held < 100_000_000


async def settled(pool, wanted: int) -> int:
    """What is free, once the driver has taken back what ended processes held."""
    for _ in range(100):
        if pool.free() >= wanted:
            break
        await asyncio.sleep(0.1)
    return pool.free()
