"""What deployments reserve: so many instances, kept whatever else happens."""

from __future__ import annotations

import asyncio

import psutil

from tests.workers.plain import ECHO
from workers import reservations
from workers.reservations import Reservation

SLOW = """
import time
class Predictor(BasePredictor):
    def predict(self) -> str:
        while True:
            time.sleep(0.05)
"""


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


def ready(pool, version):
    return [
        each
        for each in pool.pool._instances.values()
        if each.version == version and each.concurrency and not each.leaving
    ]


async def test_reserved_instances_are_loaded_before_anybody_asks_and_never_idle_out(make_pool):
    pool = await make_pool(idle_timeout=0.01)
    version = pool.model(ECHO)
    pool.pool.reserve([Reservation(version, 2, 2)])
    await until(lambda: len(ready(pool, version)) == 2)
    pool.pool._evict_idle()
    assert len(ready(pool, version)) == 2


async def test_a_reserved_instance_that_dies_is_replaced(make_pool):
    pool = await make_pool()
    version = pool.model(ECHO)
    pool.pool.reserve([Reservation(version, 1, 1)])
    await until(lambda: ready(pool, version))
    (first,) = ready(pool, version)
    psutil.Process(first.pid).kill()
    await until(lambda: ready(pool, version) and ready(pool, version) != [first])


async def test_given_up_they_leave_when_idle(make_pool):
    pool = await make_pool(idle_timeout=0.01)
    version = pool.model(ECHO)
    pool.pool.reserve([Reservation(version, 1, 1)])
    await until(lambda: ready(pool, version))
    pool.pool.reserve([])
    await until(lambda: not pool.pool._instances)


async def test_a_deployment_grows_while_more_wait_and_only_so_far(make_pool):
    pool = await make_pool()
    version = pool.model(SLOW)
    pool.pool.reserve([Reservation(version, 0, 2)])
    running = [pool.run(version) for _ in range(3)]
    await until(lambda: sum(len(each.running) for each in ready(pool, version)) == 2)
    assert len(pool.pool._instances) == 2
    for each in running:
        pool.pool.cancel(each)


async def test_what_cannot_be_set_up_is_not_tried_without_a_pause(make_pool, monkeypatch):
    pool = await make_pool()
    version = pool.model("raise RuntimeError('no')")
    pool.pool.reserve([Reservation(version, 1, 1)])
    await until(lambda: version.id in pool.pool._reservations._resting)
    await until(lambda: not pool.pool._instances)
    pool.pool._advance()
    assert not pool.pool._instances
    monkeypatch.setattr(reservations, "KEPT_AGAIN", 0.0)
    pool.pool._reservations._resting.clear()
    pool.pool._advance()
    assert pool.pool._instances
