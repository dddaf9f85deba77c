"""Kills, cancels and retries at any moment: each prediction ends once, and the pool goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal

import pytest

from model_registry.spec import Rung
from workers import messages
from workers.devices import GIB, Device

CARD = Device("cuda:0", "NVIDIA Test Card", 16 * GIB, max_instances=2)
LADDER = (Rung("bf16", 9 * GIB), Rung("fp8", 6 * GIB))

QUICK = """
class Predictor(BasePredictor):
    def predict(self, number: int) -> int:
        return number
"""
PIECES = """
class Predictor(BasePredictor):
    def predict(self, number: int) -> ConcatenateIterator[str]:
        for _ in range(50):
            yield str(number)
"""
AT_ONCE = """
import asyncio
class Predictor(BasePredictor):
    @concurrent(max=4)
    async def predict(self, number: int) -> int:
        for _ in range(5):
            await asyncio.sleep(0)
        return number
"""
GREEDY = """
class Predictor(BasePredictor):
    def setup(self, precision=""):
        self.precision = precision
    def predict(self, number: int) -> int:
        if self.precision == "bf16" and number % 2:
            raise MemoryError
        return number
"""


async def ended(pool, prediction):
    while not any(isinstance(e, messages.TERMINAL) for e in pool.events[prediction]):
        pool._changed.clear()
        await asyncio.wait_for(pool._changed.wait(), 60)


@pytest.mark.parametrize("seed", range(3))
async def test_each_prediction_ends_once_whatever_is_killed_or_canceled(make_pool, seed):
    chance = random.Random(seed)
    pool = await make_pool(CARD, cpu_instances=2)
    versions = [pool.model(source) for source in (QUICK, PIECES, AT_ONCE)]
    versions += [pool.model(f"{GREEDY}# {number}", gpu=True, ladder=LADDER) for number in range(2)]
    made, canceled = [], set()
    for number in range(60):
        made.append(pool.run(chance.choice(versions), owner=chance.choice("ab"), number=number))
        match chance.randrange(5):
            case 0:
                prediction = chance.choice(made)
                canceled.add(prediction)
                pool.pool.cancel(prediction)
            case 1:
                alive = [i.pid for i in pool.pool._instances.values() if i.pid]
                if alive:
                    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                        os.kill(chance.choice(alive), signal.SIGKILL)
            case 2:  # until something has happened
                await ended(pool, next(p for p in made if p not in canceled))
            case _:
                await asyncio.sleep(0)
    for prediction in made:
        if prediction not in canceled:
            await ended(pool, prediction)
    for version in versions:
        again = pool.run(version, number=1)
        while not isinstance(await pool.end(again), messages.Succeeded):  # one that a kill met late
            again = pool.run(version, number=1)
    for prediction in made:
        ends = [e for e in pool.events[prediction] if isinstance(e, messages.TERMINAL)]
        assert len(ends) <= 1 if prediction in canceled else len(ends) == 1
        if any(isinstance(end, messages.Succeeded) for end in ends):
            assert pool.output(prediction)
    assert not pool.pool._queue
