"""Instances come, are fed, and leave: real child processes."""

from __future__ import annotations

import asyncio
import os
import time

import psutil

from tests.workers.plain import ECHO, NEVER_ENDS
from workers import messages


async def test_a_model_is_loaded_once_and_stays_warm(pool):
    version = pool.model("""
        import os
        class Predictor(BasePredictor):
            def predict(self) -> int:
                return os.getpid()
    """)
    first, second = pool.run(version), pool.run(version)
    await pool.end(first), await pool.end(second)
    assert pool.output(first) == pool.output(second) != os.getpid()
    assert pool.pool.is_warm(version.id)


async def test_async_runners_really_run_that_many_at_once(pool):
    version = pool.model(
        """
        import asyncio
        gathered = []
        class Predictor(BasePredictor):
            async def predict(self, name: str) -> int:
                gathered.append(name)
                print("hello from", name)
                while len(gathered) < 4:
                    await asyncio.sleep(0.01)
                return len(gathered)
        """,
        concurrency=4,
    )
    predictions = [pool.run(version, name=f"n{i}") for i in range(4)]
    for number, prediction in enumerate(predictions):
        await pool.end(prediction)
        assert pool.output(prediction) == 4
        assert pool.logs(prediction) == f"hello from n{number}\n"


async def test_idle_instances_leave_and_come_back_when_needed(make_pool):
    pool = await make_pool(idle_timeout=0.1)
    version = pool.model(ECHO)
    await pool.end(pool.run(version, text="a"))
    (instance,) = pool.pool._instances.values()
    await asyncio.wait_for(instance.left(), 30)
    again = pool.run(version, text="b")
    await pool.end(again)
    assert pool.output(again) == "b"


async def test_an_idle_instance_gives_its_place_to_another_model(make_pool):
    pool = await make_pool(cpu_instances=1)
    first, second = pool.model(ECHO), pool.model(ECHO + "# another")
    await pool.end(pool.run(first, text="a"))
    assert isinstance(await pool.end(pool.run(second, text="b")), messages.Succeeded)
    assert not pool.pool.is_warm(first.id) and pool.pool.is_warm(second.id)


async def test_what_can_never_fit_fails_at_once_with_both_figures(make_pool):
    pool = await make_pool(cpu_memory=1_000_000_000)
    end = await pool.end(pool.run(pool.model(ECHO, memory=50_000_000_000), text="x"))
    assert isinstance(end, messages.Failed)
    assert "50.0 GB" in end.reason and "1.0 GB" in end.reason


async def test_an_instance_killed_while_idle_costs_the_next_prediction_nothing(pool):
    version = pool.model(ECHO)
    await pool.end(pool.run(version, text="a"))
    (instance,) = pool.pool._instances.values()
    psutil.Process(instance.pid).kill()
    again = pool.run(version, text="b")
    assert isinstance(await pool.end(again), messages.Succeeded)
    assert pool.output(again) == "b"


async def test_stopping_the_pool_fails_what_runs_and_leaves_no_process(make_pool):
    pool = await make_pool()
    running = pool.run(pool.model(NEVER_ENDS))
    await pool.until(running, messages.Started)
    (instance,) = pool.pool._instances.values()
    await pool.pool.stop()
    assert "was stopped" in (await pool.end(running)).reason
    assert not psutil.pid_exists(instance.pid)


async def test_the_place_in_the_queue_is_told(pool):
    version = pool.model(NEVER_ENDS)
    running = pool.run(version)
    await pool.until(running, messages.Started)
    first, second = pool.run(version), pool.run(version)
    assert (await pool.until(first, messages.Waiting)).activity == "waiting"
    assert (await pool.until(second, messages.Waiting)).activity == "waiting · 1 before you"
    began = time.monotonic()
    pool.pool.cancel(first)
    while pool.events[second][-1].activity != "waiting":
        assert time.monotonic() - began < 30
        await asyncio.sleep(0.05)
