"""What is canceled, and what takes too long."""

from __future__ import annotations

import asyncio

import psutil

from tests.workers.plain import ECHO, NEVER_ENDS
from workers import messages

# Deaf in both ways: it swallows what is raised in it, and sleeps where nothing can be raised.
DEAF = """
import ctypes
class Predictor(BasePredictor):
    def predict(self) -> str:
        while True:
            try:
                print("deaf")
                ctypes.PyDLL(None).sleep(1000)
            except BaseException:
                pass
"""


async def test_cancel_reaches_a_sleeping_model_and_spares_its_process(pool):
    version = pool.model("""
        import os, time
        class Predictor(BasePredictor):
            def predict(self, seconds: int) -> int:
                time.sleep(seconds)
                return os.getpid()
    """)
    warm = pool.run(version, seconds=0)
    await pool.end(warm)
    sleeping = pool.run(version, seconds=1000)
    await pool.until(sleeping, messages.Started)
    pool.pool.cancel(sleeping)
    assert isinstance(await pool.end(sleeping), messages.Canceled)
    after = pool.run(version, seconds=0)
    await pool.end(after)
    assert pool.output(warm) == pool.output(after)


async def test_cancel_kills_what_does_not_listen_after_the_grace(pool):
    version = pool.model(DEAF)
    deaf = pool.run(version)
    await pool.until(deaf, messages.Log)
    (instance,) = pool.pool._instances.values()
    pool.pool.cancel(deaf)
    await asyncio.wait_for(instance.left(), 30)
    assert not psutil.pid_exists(instance.pid)
    ended = await pool.end(pool.run(pool.model(ECHO), text="x"))
    assert isinstance(ended, messages.Succeeded)


async def test_a_queued_prediction_that_is_canceled_never_starts(pool):
    version = pool.model(NEVER_ENDS)
    running = pool.run(version)
    await pool.until(running, messages.Started)
    queued = pool.run(version)
    pool.pool.cancel(queued)
    pool.pool.cancel(running)
    await pool.end(running)
    last = pool.run(version)
    await pool.until(last, messages.Started)
    assert not any(isinstance(e, messages.Started) for e in pool.events[queued])


async def test_a_run_that_takes_too_long_is_stopped(make_pool):
    pool = await make_pool(run_timeout=0.5)
    end = await pool.end(pool.run(pool.model(NEVER_ENDS)))
    assert isinstance(end, messages.Failed) and "longer than 0.5 seconds" in end.reason


async def test_a_setup_that_takes_too_long_is_stopped(make_pool):
    pool = await make_pool(setup_timeout=0.5)
    end = await pool.end(
        pool.run(
            pool.model("""
                import time
                class Predictor(BasePredictor):
                    def setup(self):
                        time.sleep(1000)
                    def predict(self) -> str:
                        return ""
            """)
        )
    )
    assert isinstance(end, messages.Failed) and "within 0.5 seconds" in end.reason


async def test_canceling_one_of_several_leaves_the_others(pool):
    version = pool.model(
        """
        import asyncio
        class Predictor(BasePredictor):
            async def predict(self, wait: float) -> str:
                await asyncio.sleep(wait)
                return "done"
        """,
        concurrency=2,
    )
    long, short = pool.run(version, wait=1000.0), pool.run(version, wait=0.3)
    await pool.until(long, messages.Started)
    pool.pool.cancel(long)
    assert isinstance(await pool.end(long), messages.Canceled)
    assert isinstance(await pool.end(short), messages.Succeeded)


async def test_cancel_before_an_async_run_has_begun_keeps_the_instance(pool):
    version = pool.model(
        """
        import os
        class Predictor(BasePredictor):
            async def predict(self) -> int:
                return os.getpid()
        """,
        concurrency=2,
    )
    first = pool.run(version)
    await pool.end(first)
    for _ in range(20):
        canceled = pool.run(version)
        pool.pool.cancel(canceled)
        await pool.end(canceled)
    again = pool.run(version)
    await pool.end(again)
    assert pool.output(again) == pool.output(first)
