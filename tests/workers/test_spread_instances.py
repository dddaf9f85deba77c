"""One instance over two cards: real child processes on GPUs that are only figures."""

from __future__ import annotations

import json

import pytest

from model_registry.spec import Rung
from tests.workers.greedy import ERRORS
from workers import messages
from workers.devices import GIB, Device

FIRST, SECOND = (
    Device(f"cuda:{n}", "NVIDIA Test", 16 * GIB, 64, environment={"CUDA_VISIBLE_DEVICES": f"u{n}"})
    for n in range(2)
)
BOTH = Device(
    "cuda:0+1",
    "2 × NVIDIA Test",
    32 * GIB,
    64,
    environment={"CUDA_VISIBLE_DEVICES": "u0,u1"},
    parts=("cuda:0", "cuda:1"),
)
LADDER = (Rung("4bit", 25 * GIB), Rung("offload", 5 * GIB))
TELLS = (
    ERRORS
    + """
import json, os
class Predictor(BasePredictor):
    def setup(self, precision="", too_small=()):
        self.precision = precision
        self.seen = os.environ["CUDA_VISIBLE_DEVICES"], os.environ["ATELIER_MEMORY"]
        if self.seen[0] in too_small:
            raise OutOfMemoryError("CUDA out of memory.")
    def predict(self, dies: bool = False) -> str:
        if dies:
            os.abort()
        return json.dumps([self.precision, *self.seen])
"""
)


@pytest.fixture
async def pool(make_pool):
    return await make_pool(FIRST, SECOND, BOTH)


def large(pool, too_small=(), **more):
    told = {"gpu": True, "spreads": True, "ladder": LADDER, "memory": 6 * GIB}
    return pool.model(TELLS, options={"too_small": list(too_small)}, **{**told, **more})


def small(pool, memory):
    return pool.model(TELLS, gpu=True, memory=memory * GIB)


async def told(pool, prediction):
    end = await pool.end(prediction)
    assert isinstance(end, messages.Succeeded), end
    return json.loads(pool.output(prediction))


async def test_what_no_card_holds_sees_both_and_is_told_what_it_has_of_them(pool):
    prediction = pool.run(large(pool))
    precision, visible, memory = await told(pool, prediction)
    assert (precision, visible, int(memory)) == ("4bit", "u0,u1", 27 * GIB)
    started = await pool.until(prediction, messages.Started)
    assert started.hardware == "2 × NVIDIA Test"
    assert "Runs over 2 cards, cuda:0 and cuda:1: none" in pool.logs(prediction)


async def test_what_is_idle_on_each_card_leaves_for_it(pool):
    first, second = small(pool, 10), small(pool, 11)
    assert {(await told(pool, pool.run(each)))[1] for each in (first, second)} == {"u0", "u1"}
    there = list(pool.pool._instances.values())
    assert (await told(pool, pool.run(large(pool))))[1] == "u0,u1"
    for each in there:
        await each.left()
    (left,) = pool.pool._instances.values()
    assert left.device is BOTH


async def test_one_that_ends_gives_both_cards_back(pool):
    version = large(pool)
    assert isinstance(await pool.end(pool.run(version, dies=True)), messages.Failed)
    visible = {(await told(pool, pool.run(small(pool, size))))[1] for size in (14, 15)}
    assert visible == {"u0", "u1"}
    assert all(each.version != version for each in pool.pool._instances.values())


async def test_what_is_too_large_for_two_cards_as_well_is_offloaded(pool):
    prediction = pool.run(large(pool, too_small=["u0,u1"]))
    assert (await told(pool, prediction))[:2] == ["offload", "u0"]
    assert "Out of memory at 4bit on 2 × NVIDIA Test, which has 34.4 GB" in pool.logs(prediction)
    assert "Runs over" not in pool.logs(prediction)


async def test_what_finds_no_memory_on_one_card_is_tried_on_two(pool):
    version = large(pool, too_small=["u0", "u1"], ladder=(Rung("4bit", 10 * GIB),))
    assert (await told(pool, pool.run(version)))[:2] == ["4bit", "u0,u1"]


async def test_what_finds_no_memory_on_any_fails_with_that(pool):
    version = large(pool, too_small=["u0", "u1", "u0,u1"], ladder=(Rung("4bit", 10 * GIB),))
    end = await pool.end(pool.run(version))
    assert isinstance(end, messages.Failed)
    assert "Out of memory at 4bit on 2 × NVIDIA Test, which has 34.4 GB" in end.reason


async def test_a_model_that_does_not_say_so_is_never_spread(pool):
    version = large(pool, spreads=False)
    assert (await told(pool, pool.run(version)))[:2] == ["offload", "u0"]
    end = await pool.end(pool.run(large(pool, spreads=False, ladder=LADDER[:1])))
    assert isinstance(end, messages.Failed) and "; NVIDIA Test has 17.2 GB" in end.reason
