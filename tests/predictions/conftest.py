"""A real service on a real store and pool, which can be started again on the same data."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from model_registry.catalog import Catalog
from model_registry.downloads import Downloads
from predictions.files import Files, Signer
from predictions.service import PredictionService
from predictions.store import Store
from predictions.webhooks import Webhooks, WebhookSecret
from settings import HubSettings, PoolSettings
from workers.devices import find_devices
from workers.pool import WorkerPool


class Running:
    """A service, and how tests wait for what it does."""

    def __init__(self, service, store):
        self.service = service
        self.store = store

    async def run(self, reference, inputs=None, **more):
        """A prediction that has ended."""
        created = await self.service.create(reference, inputs or {}, **more)
        return await self.end(created)

    async def end(self, prediction):
        return await asyncio.wait_for(self.service.wait(prediction.id, float("inf")), 60)

    async def until(self, prediction, condition):
        """The first snapshot for which the condition holds."""

        async def follow():
            async for snapshot in self.service.follow(prediction.id):
                if condition(snapshot):
                    return snapshot
            raise AssertionError("it ended without the condition")

        return await asyncio.wait_for(follow(), 60)


@pytest.fixture
async def start(tmp_path, catalog):
    """Starts a service on the test's own data folder; the one before it is stopped first."""
    running = []

    async def stop():
        while running:
            await running.pop().service.stop()

    async def start(
        models: Catalog = catalog,
        offline=False,
        limit=10_000_000,
        private=True,
        hub=HubSettings(),  # noqa: B008
        **settings,
    ):
        await stop()
        data: Path = tmp_path / "data"
        data.mkdir(exist_ok=True)
        pool_settings = PoolSettings(**{"spares": 0, "cancel_grace": 0.5, **settings})
        cpu = find_devices(pool_settings.cpu_instances, pool_settings.cpu_memory)[-1:]
        pool = WorkerPool(pool_settings, cpu, data / "work", models.why_gone)
        store = Store(data / "atelier.db")
        files = Files(data / "files", store, limit)
        signer = Signer(data / "secret.key")
        secret = WebhookSecret(data / "webhook_secret")
        webhooks = Webhooks(store, secret, msgspec.json.encode, allow_private=private)
        service = PredictionService(
            models,
            store,
            files,
            pool,
            signer,
            offline,
            webhooks,
            allow_private=private,
            downloads=Downloads(hub, data, offline),
        )
        await service.start()
        running.append(Running(service, store))
        return running[-1]

    start.stop = stop
    yield start
    await stop()


@pytest.fixture
async def app(start):
    return await start()
