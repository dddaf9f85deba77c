"""What a deployment reserves, over a restart too."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace


async def until(condition):
    async def wait():
        while not condition():
            await asyncio.sleep(0.02)

    await asyncio.wait_for(wait(), 60)


async def test_its_instances_are_loaded_before_the_first_prediction_and_after_a_restart(start):
    app = await start()
    made = await app.service.deployments.create("me", "warm", "local/echo", "cpu", 1, 1)
    await until(lambda: app.service.pool.is_warm(made.version))
    app = await start()
    assert app.service.deployments.get("me", "warm") == made
    await until(lambda: app.service.pool.is_warm(made.version))
    await app.service.deployments.delete(made)
    app = await start()
    assert app.service.deployments.list() == []


async def test_one_whose_model_has_left_is_said_and_harms_no_other(start, capsys):
    app = await start()
    deployments = app.service.deployments
    made = await deployments.create("me", "left", "local/echo", "cpu", 1, 1)
    other = await deployments.create("me", "stays", "local/counts", "cpu", 1, 1)
    await deployments._keep(replace(made, version="0" * 64))
    await until(lambda: app.service.pool.is_warm(other.version))
    assert "me/left is not loaded" in capsys.readouterr().err
