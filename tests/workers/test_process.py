"""Child processes whose end comes at a bad moment."""

from __future__ import annotations

import asyncio

from workers.process import ChildProcess


async def test_a_process_that_ends_before_its_socket_is_open_is_noticed(monkeypatch):
    loop = asyncio.get_running_loop()
    connect = loop.create_connection

    async def connect_late(protocol, **more):
        await protocol()._over.wait()
        return await connect(protocol, **more)

    monkeypatch.setattr(loop, "create_connection", connect_late)
    child = await ChildProcess.start("/bin/false", {})
    await asyncio.wait_for(child.gone.wait(), 30)
