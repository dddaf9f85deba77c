"""Pushing models, as a face asks for it: from a folder, a zip or a git repository, and deleting
them while nothing runs them.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from errors import InUse, InvalidRequest, NotFound
from model_registry.catalog import Catalog
from model_registry.published import Published
from model_registry.push_records import About
from model_registry.spec import Model
from model_registry.unpack import unpack
from predictions.cloning import clone, is_address
from predictions.deployments import Deployments
from predictions.prediction import Prediction

_LOOK_EVERY = 1.0
"""Seconds between looks for what `app.py push` has pushed beside this process."""


class Publishing:
    """`open_predictions` are those that have not ended."""

    def __init__(
        self,
        catalog: Catalog,
        deployments: Deployments,
        open_predictions: Callable[[], Iterable[Prediction]],
        allow_private: bool = False,
    ) -> None:
        self._catalog = catalog
        self._deployments = deployments
        self._open_predictions = open_predictions
        self._allow_private = allow_private

    async def run(self) -> None:
        """Clears up after pushes that were killed, then takes up what others push. Never ends."""
        if self._catalog.published is None:
            return
        await asyncio.to_thread(self._catalog.published.records.sweep)
        while True:
            try:
                await self._catalog.take_up()
            except OSError as error:
                print(f"atelier: what was pushed cannot be read: {error}", file=sys.stderr)
            await asyncio.sleep(_LOOK_EVERY)

    async def push(self, source: str, name: str) -> tuple[Model, bool]:
        """The model that `name` now is, and whether its version is a new one. Raises what `push`
        below raises.
        """
        pushed = await push(self._published, source, name, self._allow_private)
        await self._catalog.take_up()
        return pushed

    async def create(self, name: str, about: Mapping[str, Any]) -> Model:
        """A model without a version yet. Raises `InvalidRequest`, `AlreadyExists`."""
        made = await asyncio.to_thread(
            self._published.create, name, About(created_at=time.time(), **about)
        )
        await self._catalog.take_up()
        return made

    async def change(self, name: str, changes: Mapping[str, Any]) -> Model:
        """Raises `NotFound`, and `InvalidRequest` for a model that was not pushed."""
        self._check(name)
        changed = await asyncio.to_thread(self._published.change, name, changes)
        await self._catalog.take_up()
        return changed

    async def delete_version(self, name: str, version: str) -> None:
        """Deletes one that was pushed or trained. Raises `NotFound`, `InvalidRequest` for others
        and, while something needs it, `InUse`.
        """
        versions = self._catalog.known(name).versions
        known = next((each for each in versions if each.id == version), None)
        if known is None:
            raise NotFound(f"Version of {name}", version)
        if known.origin is None:
            self._check(name)
        if any(each.version == version for each in self._open_predictions()):
            raise InUse(
                f"{name}:{version[:12]}… is in use by a prediction. Wait for it to end, or cancel "
                "it."
            )
        for deployment in self._deployments.list():
            if deployment.version == version:
                raise InUse(
                    f"The deployment {deployment.id} runs {name}:{version[:12]}…. Give it another "
                    "version, or delete it."
                )
        if known.origin is not None:
            self._catalog.remove_trained(known)
            return
        await asyncio.to_thread(self._published.remove_version, name, version)
        await self._catalog.take_up()

    async def delete(self, name: str) -> None:
        """Raises `NotFound`, and `InvalidRequest` for one with versions, or that was not pushed."""
        if self._check(name).versions:
            raise InvalidRequest(f"{name} has versions. Delete them first.")
        await asyncio.to_thread(self._published.remove, name)
        await self._catalog.take_up()

    @property
    def _published(self) -> Published:
        if self._catalog.published is None:
            raise InvalidRequest("Models cannot be pushed to this catalog.")
        return self._catalog.published

    def _check(self, name: str) -> Model:
        model = self._catalog.known(name)
        if not model.published:
            where = "its folder" if model.live else "Atelier's specs"
            raise InvalidRequest(f"{name} was not pushed: it is what {where} says it is.")
        return model


async def push(
    published: Published, source: str, name: str, allow_private: bool = False
) -> tuple[Model, bool]:
    """Pushes what `source` says: the path of a folder or zip on this machine, or the https address
    of a git repository. Raises `InvalidRequest`, `AlreadyExists`, `BrokenModel` and, for a
    repository, `ForbiddenAddress`.
    """
    source = source.strip()
    published.check_name(name)
    if not source:
        raise InvalidRequest("Say what to push: a folder, a zip or the address of a repository.")
    if not is_address(source):
        return await asyncio.to_thread(_push_path, published, Path(source).expanduser(), name)
    with contextlib.ExitStack() as stack:
        place = await asyncio.to_thread(stack.enter_context, published.records.incoming())
        try:
            folder = await clone(source, place, allow_private)
            return await asyncio.to_thread(published.push, folder, name, source)
        finally:
            await asyncio.to_thread(stack.close)


def _push_path(published: Published, path: Path, name: str) -> tuple[Model, bool]:
    if not path.is_file():
        return published.push(path, name, str(path))
    with published.records.incoming() as place:
        return published.push(unpack(path, place), name, path.name)
