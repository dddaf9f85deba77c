"""A model's own healthcheck, asked while it rests and while it runs."""

from __future__ import annotations

import asyncio

import pytest

from workers import messages
from workers.reservations import Reservation
from workers.standing import State

CHECKED = """
    import os, time
    class Predictor(BasePredictor):
        {kind}def healthcheck(self) -> bool:
            {check}
        {kind}def predict(self, wait_for: str = "") -> str:
            while wait_for and not os.path.exists(wait_for):
                {sleep}
            return "done"
"""
SYNC = {"kind": "", "sleep": "time.sleep(0.01)"}
ASYNC = {"kind": "async ", "sleep": "await __import__('asyncio').sleep(0.01)"}


async def loaded(pool, source, state=State.READY):
    """The version, kept loaded, once it stands so."""
    version = pool.model(source)
    pool.pool.reserve([Reservation(version, 1, 1)])
    while pool.pool.standing(version.id).state is not state:
        await asyncio.sleep(0.01)
    return version


@pytest.mark.parametrize("way", [SYNC, ASYNC], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("return True", ""),
        ("return False", "gave False"),
        ("raise ValueError('no GPU')", "ValueError: no GPU"),
    ],
)
async def test_what_a_healthcheck_says_is_known(pool, way, check, said):
    version = await loaded(pool, CHECKED.format(check=check, **way))
    trouble = await pool.pool.trouble(version.id, 30)
    assert said in trouble and bool(said) == bool(trouble)
    prediction = pool.run(version)
    assert isinstance(await pool.end(prediction), messages.Succeeded)


@pytest.mark.parametrize("way", [SYNC, ASYNC], ids=["sync", "async"])
async def test_a_model_that_runs_is_asked_beside_it(pool, way, tmp_path):
    version = await loaded(pool, CHECKED.format(check="return True", **way))
    busy = pool.run(version, wait_for=str(tmp_path / "go-on"))
    await pool.until(busy, messages.Started)
    assert pool.pool.standing(version.id).state is State.BUSY
    assert await pool.pool.trouble(version.id, 30) == ""
    (tmp_path / "go-on").write_text("")
    assert isinstance(await pool.end(busy), messages.Succeeded)


async def test_a_healthcheck_that_hangs_is_not_waited_for_and_the_model_runs_on(pool):
    version = await loaded(pool, CHECKED.format(check="time.sleep(600)", **SYNC))
    assert "no answer within 0.2 s" in await pool.pool.trouble(version.id, 0.2)
    assert isinstance(await pool.end(pool.run(version)), messages.Succeeded)


async def test_a_model_without_one_is_well_and_one_that_cannot_be_set_up_has_failed(pool):
    source = """
        class Predictor(BasePredictor):
            def setup(self):
                print("looking")
                {}
            def predict(self) -> str: return "done"
    """
    version = await loaded(pool, source.format("pass"))
    assert await pool.pool.trouble(version.id, 30) == ""
    version = await loaded(pool, source.format("raise ValueError('no weights')"), State.FAILED)
    setup = pool.pool.standing(version.id).setup
    assert setup.failed and setup.completed_at >= setup.started_at
    assert setup.logs.startswith("looking\n") and "ValueError: no weights" in setup.logs
