"""A real pool of real child processes, and models written where they are used."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import textwrap

import pytest

from model_registry.spec import Code, Version
from settings import PoolSettings
from workers import memory, messages
from workers.devices import find_devices
from workers.job import Job
from workers.pool import WorkerPool


class Watched:
    """A pool and all that it has said."""

    def __init__(self, pool, folder):
        self.pool = pool
        self._folder = folder
        self._numbers = itertools.count(1)
        self.events = {}
        self._changed = asyncio.Event()
        pool.events = self._received

    def _received(self, events):
        for event in events:
            self.events.setdefault(event.prediction_id, []).append(event)
        self._changed.set()

    def model(self, source, inputs=(), **more):
        """A version whose predict.py is `source`; it defines `Predictor`. Of its schema there are
        the names of those `inputs`.
        """
        source = "from cog import *\n" + textwrap.dedent(source)
        digest = hashlib.sha256(repr((source, sorted(more.items()))).encode()).hexdigest()
        folder = self._folder / digest[:12]
        folder.mkdir(exist_ok=True)
        (folder / "predict.py").write_text(source)
        told = {
            name: more.pop(name)
            for name in ("heavy", "memory", "gpu", "ladder", "spreads")
            if name in more
        }
        code = Code(str(folder), "predict.py:Predictor", **more)
        schema = {"components": {"schemas": {"Input": {"properties": dict.fromkeys(inputs)}}}}
        return Version(digest, f"local/{digest[:6]}", 0.0, schema, code, **told)

    def run(self, version, owner="", **inputs):
        prediction_id = f"prediction-{next(self._numbers)}"
        self.events[prediction_id] = []
        folder = self._folder / "outputs" / prediction_id
        self.pool.submit(Job(prediction_id, version, inputs, folder, owner))
        return prediction_id

    async def until(self, prediction_id, *kinds):
        """The first event of these kinds."""
        while True:
            for event in self.events[prediction_id]:
                if isinstance(event, kinds):
                    return event
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 60)

    async def end(self, prediction_id):
        return await self.until(prediction_id, *messages.TERMINAL)

    def logs(self, prediction_id):
        events = self.events[prediction_id]
        return "".join(e.text for e in events if isinstance(e, messages.Log))

    def output(self, prediction_id):
        """The whole value, or the list of pieces."""
        pieces = None
        for event in self.events[prediction_id]:
            if isinstance(event, messages.Output):
                return event.value
            if isinstance(event, messages.OutputPieces):
                pieces = [*(pieces or []), *event.values]
        return pieces


@pytest.fixture(autouse=True)
def needed_packages(monkeypatch):
    """Says which packages which precisions need: none, until a test says otherwise."""

    def are(packages: dict[str, str]) -> None:
        monkeypatch.setattr(memory, "PACKAGES", packages)
        memory._missing.cache_clear()

    are({})
    yield are
    memory._missing.cache_clear()


@pytest.fixture
async def make_pool(tmp_path):
    """A pool with settings and GPUs of the test's own; stopped at the end. A GPU is only a figure
    to a pool: what runs there may as well be on the CPU.
    """
    pools = []

    async def make(*gpus, **settings):
        settings = PoolSettings(**{"cancel_grace": 0.5, "spares": 0, **settings})
        devices = find_devices(settings.cpu_instances, settings.cpu_memory)
        cpu_alone = [device for device in devices if not device.gpu]
        pool = WorkerPool(settings, [*gpus, *cpu_alone], tmp_path / f"work-{len(pools)}")
        watched = Watched(pool, tmp_path)
        await pool.start()
        pools.append(pool)
        return watched

    yield make
    for pool in pools:
        await pool.stop()


@pytest.fixture
async def pool(make_pool):
    return await make_pool()
