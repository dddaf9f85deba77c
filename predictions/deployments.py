"""Deployments: a name of one's own for one version, with instances reserved for it.

They are kept in the store; what they reserve is told to the pool at the start and after each
change.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec
import sqlalchemy as sql
from msgspec.structs import replace

from errors import AlreadyExists, AtelierError, NotFound
from model_registry.catalog import Catalog
from model_registry.downloads import Downloads
from predictions.callers import EVERYBODY, Caller
from predictions.store import Store
from predictions.tables import deployments as table
from workers.pool import WorkerPool
from workers.reservations import Reservation

FEWEST_LIMIT, MOST_LIMIT = 5, 20
"""Up to how many instances a deployment may keep loaded, and may have."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")


def no_name(name: str) -> str:
    """Why a deployment cannot be called so; "" where it can."""
    if _NAME.fullmatch(name):
        return ""
    return f"{name!r} is no name; use small letters, digits, dots, dashes and _."


def no_span(fewest: int, most: int) -> str:
    """Why there cannot be so many instances; "" where there can."""
    if fewest <= most:
        return ""
    return f"min_instances is {fewest}, more than max_instances, {most}."


def sku(hardware: str) -> str:
    """The name of a kind of hardware as requests give it."""
    return "-".join(hardware.lower().split())


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """`number` counts its releases from 1. `hardware` is what was asked for; it runs on what there
    is. `fewest` instances are loaded at any time, `most` while there is much to do; with `most` 0
    it takes no predictions.
    """

    owner: str
    name: str
    number: int = 1
    model: str
    version: str
    hardware: str
    fewest: int
    most: int
    created_at: float
    created_by: str

    @property
    def id(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def reference(self) -> str:
        """What a prediction through it runs."""
        return f"{self.model}:{self.version}"


class Deployments:
    """`spawn` runs what goes on beside requests."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        pool: WorkerPool,
        downloads: Downloads,
        spawn: Callable[[Coroutine[None, None, None]], None],
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._pool = pool
        self._downloads = downloads
        self._spawn = spawn
        self._all: dict[str, Deployment] = {}
        self._applying = asyncio.Lock()

    async def start(self) -> None:
        rows = await self._store.read(sql.select(table).order_by(table.c.created_at))
        self._all = {row.id: _of_row(row) for row in rows}
        self._apply()
        for model in {each.model for each in self._all.values()}:
            self._spawn(self._apply_once_described(model))

    def list(self, caller: Caller = EVERYBODY) -> Sequence[Deployment]:
        """Those that the caller may see, newest first."""
        seen = [each for each in self._all.values() if caller.sees(f"token:{each.owner}")]
        return sorted(seen, key=lambda each: (each.created_at, each.id), reverse=True)

    def get(self, owner: str, name: str, caller: Caller = EVERYBODY) -> Deployment:
        """Raises `NotFound`, also for what the caller may not see."""
        found = self._all.get(f"{owner}/{name}")
        if found is None or not caller.sees(f"token:{found.owner}"):
            raise NotFound("Deployment", f"{owner}/{name}")
        return found

    async def create(
        self, owner: str, name: str, reference: str, hardware: str, fewest: int, most: int
    ) -> Deployment:
        """Raises `AlreadyExists`, and what resolving the reference raises."""
        version = await self._catalog.fresh(reference)
        if f"{owner}/{name}" in self._all:
            raise AlreadyExists("deployment", f"{owner}/{name}")
        made = Deployment(
            owner=owner,
            name=name,
            model=version.model,
            version=version.id,
            hardware=hardware,
            fewest=fewest,
            most=most,
            created_at=time.time(),
            created_by=owner,
        )
        await self._keep(made)
        return made

    async def update(
        self,
        former: Deployment,
        *,
        version: str | None = None,
        hardware: str | None = None,
        fewest: int | None = None,
        most: int | None = None,
    ) -> Deployment:
        """The next release; what is None stays. Raises what resolving the version raises."""
        reference = f"{former.model}:{version}" if version else former.reference
        release = replace(
            former,
            number=former.number + 1,
            version=(await self._catalog.fresh(reference)).id if version else former.version,
            hardware=hardware or former.hardware,
            fewest=former.fewest if fewest is None else fewest,
            most=former.most if most is None else most,
        )
        await self._keep(release)
        return release

    async def delete(self, deployment: Deployment) -> None:
        await self._store.write(sql.delete(table).where(table.c.id == deployment.id))
        self._all.pop(deployment.id, None)
        self._apply()

    async def _keep(self, deployment: Deployment) -> None:
        row = {
            "id": deployment.id,
            "created_at": deployment.created_at,
            "release": msgspec.json.encode(deployment).decode(),
        }
        former = sql.delete(table).where(table.c.id == deployment.id)
        await self._store.write(former, sql.insert(table).values(row))
        self._all[deployment.id] = deployment
        self._apply()

    # --- what the pool is to do

    def _apply(self) -> None:
        self._spawn(self._reserve())

    async def _apply_once_described(self, model: str) -> None:
        if await self._catalog.described(model):
            self._apply()

    async def _reserve(self) -> None:
        """One at a time, and the last one knows all: weights may have to be downloaded first."""
        async with self._applying:
            # A copy: while one is waited for, another may come or go, and is applied after this.
            found = [await self._reservation(each) for each in list(self._all.values())]
            self._pool.reserve([each for each in found if each is not None])

    async def _reservation(self, deployment: Deployment) -> Reservation | None:
        if not deployment.most:
            return None
        try:
            version = self._catalog.resolve(deployment.reference)
            if deployment.fewest:
                model = self._catalog.find(version.model)
                await asyncio.to_thread(self._downloads.check, model, version)
                version = await self._downloads.provide(version, lambda progress: None)
        except AtelierError as error:
            print(
                f"atelier: the deployment {deployment.id} is not loaded: {error}", file=sys.stderr
            )
            return None
        return Reservation(version, deployment.fewest, deployment.most)


def _of_row(row: Any) -> Deployment:
    return msgspec.json.decode(row.release, type=Deployment)
