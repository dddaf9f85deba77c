"""The catalog of all models: an index that keeps up with where they come from."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from errors import BrokenModel, InvalidRequest
from model_registry import cog_folder, sources, spec_files
from model_registry.beside import Beside
from model_registry.description import Descriptions, NotDescribed, PythonFor, nowhere
from model_registry.fingerprint import Fingerprints
from model_registry.hub_models import HubModels
from model_registry.index import Index
from model_registry.model_folder import LiveFolders, ModelFolder
from model_registry.published import Found, Published
from model_registry.spec import TRAINER, Model, Version
from model_registry.trained import TrainedVersions

_AT_ONCE = max(4, os.cpu_count() or 1)
"""How many models are described at once: one whose import hangs only waits."""
_BEING_READ = "its code is being imported; the model is there once that has ended."


class Catalog(Index):
    """All models. What is read at the start is in it at once. Later come those that take long to be
    described, what was edited in a person's folders, pushed, trained, or added from the Hub.
    """

    def __init__(
        self,
        models: Iterable[Model] = (),
        broken: Iterable[BrokenModel] = (),
        folders: Iterable[ModelFolder] = (),
        clock: Callable[[], float] = time.monotonic,
        trained: TrainedVersions | None = None,
    ) -> None:
        """`trained` are the versions that trainings have made; None where nothing is trained."""
        super().__init__(models, broken)
        self.trained = trained
        for each in trained.read() if trained else ():
            if isinstance(each, BrokenModel):
                self.add_broken(each)
            else:
                self.add_trained(each)
        self.hub: HubModels | None = None
        """How repositories of the Hub become models; None where none may be added."""
        self.published: Published | None = None
        """Where pushed models are; None where none may be pushed."""
        self._pushed: set[str] = set()
        self._mark: object = None
        self._taking: asyncio.Task[None] | None = None
        self._folders = LiveFolders(folders, clock, self._put)
        self._descriptions: Descriptions | None = None
        self._beside: Beside[Model | BrokenModel | None] = Beside(_AT_ONCE)
        """The models that are being described; each is among the broken until it is."""

    @classmethod
    def load(
        cls,
        models: Sequence[Path],
        data: Path,
        specs: Path = spec_files.SPECS,
        clock: Callable[[], float] = time.monotonic,
        python_for: PythonFor = nowhere,
        patience: float | None = None,
    ) -> Catalog:
        """Reads our specs, then each folder of `models`, then what was added from the Hub, then
        what was pushed. `python_for` knows the models' own environments. What a person has brought
        and is not described within `patience` seconds comes later; None waits for all of it.

        What is described or hashed is kept below `data`. One broken model harms no other; of two
        with one name the first is kept and the other is among the broken.
        """
        prints = Fingerprints(data / "fingerprints.json")
        descriptions = Descriptions(data / "described", python_for)
        with descriptions.describer:
            read = sources.read(models, data, specs, prints, descriptions)
            trained = TrainedVersions(data / "trained")
            catalog = cls(read.models, read.broken, read.folders, clock, trained)
            catalog._descriptions = descriptions
            for folder in read.undescribed:
                catalog._read_beside(folder.model, folder.read)
            catalog.published = Published(data, catalog._is_taken, descriptions)
            catalog._mark = catalog.published.records.mark()
            catalog._take(catalog.published.news())
            catalog._beside.wait(patience)
            catalog._take_read()
            return catalog

    @classmethod
    def of_folder(cls, folder: Path, data: Path, python_for: PythonFor = nowhere) -> Catalog:
        """Of one model, `local/<folder's name>`, which may be among the broken."""
        prints = Fingerprints(data / "fingerprints.json")
        descriptions = Descriptions(data / "described", python_for)
        only = ModelFolder("local", folder.name, folder, prints, descriptions)
        found = sources.attempt(only.read)
        prints.save()
        models, broken = ([], [found]) if isinstance(found, BrokenModel) else ([found], [])
        catalog = cls(models, broken, [only])
        catalog._descriptions = descriptions
        return catalog

    # --- what is asked of it

    async def fresh(self, reference: str, patience: float | None = None) -> Version:
        """As `resolve`, of what is in the model's folder now: a version is its code, so what has
        been edited while the app runs is another version. What is being described is waited for,
        with `patience` for so many seconds.
        """
        await self.take_up()
        name = reference.partition(":")[0] if "/" in reference else self.model_of(reference)
        await self.described(name, patience)
        await self._folders.look(name)
        version = self.resolve(reference)
        if version.provisional and self._descriptions is not None:
            described = await asyncio.to_thread(self._descriptions.settled, version)
            if described is not None:
                self.add(cog_folder.settled(self.find(version.model), version, described))
                return self.resolve(reference)
        return version

    def why_gone(self, version: Version) -> str:
        """Why the code of a version is no longer what its id names; "" if it is. Blocks."""
        content = version.id.removesuffix(TRAINER)
        gone = self.is_gone(content)
        if gone and (version.model not in self._folders or version.origin is not None):
            return f"This version of {version.model} was deleted or replaced while this waited."
        if version.origin is not None:  # a trained one has a copy of its own
            return ""
        if gone or not self._folders.hold(version.model, content):
            return f"The folder of {version.model} was edited while this waited. Run it again."
        return ""

    def may_be_trained(self, name: str) -> bool:
        """Whether trainings may make versions of the model: of those that a person has brought, not
        of ours nor of the Hub's.
        """
        return name in self._folders or name in self._pushed

    def remove_trained(self, version: Version) -> None:
        """Also from the disk: it blocks."""
        assert self.trained is not None
        self.trained.remove(version)
        super().remove_trained(version)

    async def add_from_hub(self, reference: str, **options: Any) -> Model:
        """The model of a repository of the Hub (`hf:owner/repo[@revision]`), which stays in the
        catalog; `options` are those of `HubModels.make`. Raises `InvalidRequest`, `CannotDownload`,
        `BrokenModel`.
        """
        if self.hub is None:
            raise InvalidRequest("Models of the Hub cannot be added to this catalog.")
        model = await self.hub.add(reference, **options)
        self.add(model)
        return model

    async def take_up(self) -> None:
        """What was described, pushed or deleted since the last look, by this process or another."""
        _tell(self._take_read())
        if self.published is None:
            return
        mark = self.published.records.mark()
        if mark != self._mark and self._taking is None:
            self._mark = mark
            self._taking = asyncio.create_task(self._take_news(self.published))
        if self._taking is not None:
            await asyncio.shield(self._taking)

    @property
    def describes(self) -> bool:
        """Whether models are still being described."""
        return any(each.reason == _BEING_READ for each in self.broken)

    async def described(self, name: str, patience: float | None = None) -> bool:
        """Once the model is described, or after `patience` seconds; whether it still had to be."""
        waited = await self._beside.ended(name, patience)
        _tell(self._take_read())
        return waited

    def close(self) -> None:
        """Nothing is described any more."""
        self._beside.close()
        if self._descriptions is not None:
            self._descriptions.close()

    # --- what has changed

    def _put(self, found: Model | BrokenModel | None) -> None:
        if isinstance(found, BrokenModel):
            self.add_broken(found)
        elif found is not None:
            self.add(found)

    def _read_beside(self, name: str, read: Callable[[], Model | BrokenModel | None]) -> None:
        self.add_broken(BrokenModel(name, _BEING_READ))
        self._beside.begin(name, partial(_attempt_all, name, read))

    def _take_read(self) -> list[BrokenModel]:
        """Takes up what has been described; those of it that cannot be used."""
        broken = []
        for name, found in self._beside.outcomes():
            if isinstance(found, BrokenModel):
                broken.append(found)
            if name in self._pushed:
                self._take([(name, found)])
            else:
                self._put(found)
        return broken

    async def _take_news(self, published: Published) -> None:
        try:
            self._take(await asyncio.to_thread(published.news))
        except BaseException:
            self._mark = None  # looked at again
            raise
        finally:
            self._taking = None

    def _take(self, news: Iterable[tuple[str, Found]]) -> None:
        """Takes up what was pushed and deleted."""
        for name, found in news:
            refused = f"published {name}"
            self.remove(refused)
            if self._is_taken(name):
                if found is not None:
                    reason = f"the name {name} is taken by another model. Push it by another name."
                    self.add_broken(BrokenModel(refused, reason))
                continue
            self.remove(name)
            if found is None:
                self._pushed.discard(name)
                continue
            self._pushed.add(name)
            if not isinstance(found, NotDescribed):
                self._put(found)
            elif self.published is not None:
                self._read_beside(name, partial(self.published.look, name))

    def _is_taken(self, name: str) -> bool:
        """Whether a model that was not pushed has the name."""
        return name not in self._pushed and name in self


def _attempt_all(
    name: str, read: Callable[[], Model | BrokenModel | None]
) -> Model | BrokenModel | None:
    """As `sources.attempt`, where nobody would see what else is raised."""
    try:
        return sources.attempt(read)
    except Exception as error:
        return BrokenModel(name, f"it cannot be read: {type(error).__name__}: {error}.")


def _tell(broken: Iterable[BrokenModel]) -> None:
    for each in broken:
        print(f"atelier: {each}", file=sys.stderr)
