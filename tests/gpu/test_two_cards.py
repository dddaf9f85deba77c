"""A language model over two cards says what it says on one.

    python -m pytest -s tests/gpu/test_two_cards.py

Needs two equal GPUs with 20 GB free each, and what `test_llama.py` needs besides. No machine with
two has run it yet: until one has, specs with `spreads` do not say that a GPU has.
"""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from tests.gpu.conftest import pooled
from workers.devices import find_devices, free_now

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

INPUTS = {"prompt": "Once upon a time", "max_tokens": 64, "temperature": 0, "seed": 0}
CHATS = [{**INPUTS, "prompt": f"{number} times upon a time"} for number in range(4)]


@pytest.fixture
def pair(gpu):
    """Two equal cards, and both together."""
    devices = find_devices(1)
    both = next((device for device in devices if len(device.parts) == 2), None)
    if both is None:
        cards = sum(device.gpu for device in devices)
        pytest.skip(f"this machine has no two equal GPUs (it has {cards})")
    return [*(device for device in devices if device.name in both.parts), both]


async def test_a_llama_over_two_cards_says_what_it_says_on_one(llama, pair, tmp_path, say):
    first, second, both = pair
    whole = llama.ladder[0]
    one = dataclasses.replace(llama, ladder=(whole,), spreads=True)
    async with pooled([first], tmp_path / "one") as pool:
        await pool.run(one, INPUTS)
        expected = pool.texts[-1]
    # Cards that are too small for it alone: half of it and a little more.
    share = both.takes(whole.memory) // 2 + 1
    small = [dataclasses.replace(card, memory=share) for card in (first, second)]
    together = dataclasses.replace(both, memory=2 * share)
    async with pooled([*small, together], tmp_path / "two") as pool:
        empty = free_now(small)
        seconds = await pool.run(one, INPUTS)
        assert pool.texts[-1] == expected
        taken = {name: empty[name] - free for name, free in free_now(small).items()}
        await asyncio.gather(*(pool.run(one, chat) for chat in CHATS))
        held = max(instance.held for instance in pool.pool._instances.values())
    say(
        f"llama over {both.hardware}: {seconds:.1f} s with loading, "
        + ", ".join(f"{size / 1e9:.1f} GB on {name}" for name, size in taken.items())
        + f"; it says {held / 1e9:.1f} GB"
    )
    assert all(size > 0.3 * whole.memory for size in taken.values()), "one card has nearly all"
    assert max(taken.values()) < share
    assert held >= 0.95 * 2 * max(taken.values())
