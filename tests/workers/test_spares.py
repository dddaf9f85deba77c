"""Children that have imported the heavy libraries before anybody asks."""

from __future__ import annotations

import asyncio

import pytest


async def test_a_spare_child_is_loaded_instead_of_a_new_one(make_pool):
    pool = await make_pool(spares=1)
    while not pool.pool._spares.children:
        await asyncio.sleep(0.05)
    spare = pool.pool._spares.children[0]
    version = pool.model(
        """
        import os, sys
        class Predictor(BasePredictor):
            def predict(self) -> list[str]:
                return [str(os.getpid()), str("torch" in sys.modules)]
        """,
        heavy=True,
    )
    prediction = pool.run(version)
    await pool.end(prediction)
    assert pool.output(prediction) == [str(spare.pid), "True"]


@pytest.mark.heavy
async def test_no_spare_is_begun_beside_what_runs(make_pool, monkeypatch):
    pool = await make_pool(spares=1)
    while not pool.pool._spares.children:
        await asyncio.sleep(0.05)
    version = pool.model(
        """
        import time
        class Predictor(BasePredictor):
            def predict(self) -> str:
                print("running")
                time.sleep(1000)
        """,
        heavy=True,
    )
    looks = []
    pause = pool.pool._pause

    async def counted():
        await pause()
        looks.append(bool(pool.pool._spares.children))

    prediction = pool.run(version)
    while "running" not in pool.logs(prediction):
        await asyncio.sleep(0.05)
    monkeypatch.setattr(pool.pool, "_pause", counted)
    while len(looks) < 6:
        await asyncio.sleep(0.05)
    assert not any(looks)
    pool.pool.cancel(prediction)
    while not pool.pool._spares.children:
        await asyncio.sleep(0.05)
