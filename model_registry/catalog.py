"""Which models exist: find, search, resolve. Fed by our specs, by folders of Cog models, by the Hub
and by what was pushed.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from errors import BrokenModel, InvalidRequest, InvalidVersion, NotFound
from model_registry import folder_warnings, hub_models, spec_files
from model_registry.beside import Beside
from model_registry.cog_folder import read_yaml
from model_registry.description import (
    Described,
    Descriptions,
    NotDescribed,
    PythonFor,
    nowhere,
)
from model_registry.fingerprint import Fingerprints
from model_registry.hub_models import HubModels
from model_registry.model_folder import ModelFolder, find_folders
from model_registry.published import Found, Published
from model_registry.spec import TRAINER, Model, Version
from model_registry.trained import TrainedVersions

T = TypeVar("T")
_VERSION_ID = re.compile(r"[0-9a-f]{64}")
_LOOK_EVERY = 1.0
"""Seconds between looks into a folder."""
_AT_ONCE = max(4, os.cpu_count() or 1)
"""How many models are described at once: one whose import hangs only waits."""
_BEING_READ = "its code is being imported; the model is there once that has ended."


class Catalog:
    """All models. Those that come from folders are read again when their code has been edited."""

    def __init__(
        self,
        models: Iterable[Model] = (),
        broken: Iterable[BrokenModel] = (),
        folders: Iterable[ModelFolder] = (),
        clock: Callable[[], float] = time.monotonic,
        trained: TrainedVersions | None = None,
    ) -> None:
        """`trained` are the versions that trainings have made; None where nothing is trained."""
        self.trained = trained
        self._models = {model.id: model for model in models}
        self._broken = {error.model: error for error in broken}
        self._folders = {folder.model: folder for folder in folders}
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._looked: dict[str, float] = {}
        self._clock = clock
        self._gone: dict[str, str] = {}
        """Versions whose code was edited while the app ran, and their models."""
        self.hub: HubModels | None = None
        """How repositories of the Hub become models; None where none may be added."""
        self._descriptions: Descriptions | None = None
        self.published: Published | None = None
        """Where pushed models are; None where none may be pushed."""
        self._beside: Beside[Model | BrokenModel | None] = Beside(_AT_ONCE)
        """The models that are being described; each is among the broken until it is."""
        self._pushed: set[str] = set()
        self._empty: dict[str, Model] = {}
        """Those of them that have no version."""
        self._mark: object = None
        self._taking: asyncio.Task[None] | None = None
        self._versions = {
            version.id: version for model in self._models.values() for version in model.versions
        }
        self._trained: dict[str, list[Version]] = {}
        for each in trained.read() if trained else ():
            if isinstance(each, BrokenModel):
                self._broken[each.model] = each
            else:
                self.add_trained(each)

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
            readers: list[Callable[[], Model | ModelFolder]] = [
                partial(spec_files.read, path, prints, descriptions)
                for path in sorted(specs.glob("*/*.yaml"))
            ]
            broken, folders = [], []
            for root in models:
                found = list(find_folders(root, prints, descriptions))
                if not found:
                    missing = "there is no folder with a cog.yaml in it."
                    broken.append(
                        BrokenModel(str(root), missing if root.is_dir() else "it does not exist.")
                    )
                folders += found
            readers += [partial(_known, folder) for folder in folders]
            readers += [
                partial(spec_files.read, path, prints, descriptions)
                for path in hub_models.specs(data)
            ]
            read: list[Model | ModelFolder] = []
            places: dict[str, str] = {}
            with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as threads:
                for outcome in threads.map(_attempt, readers):
                    if isinstance(outcome, BrokenModel):
                        broken.append(outcome)
                        continue
                    if isinstance(outcome, Model):
                        name, place = outcome.id, outcome.latest.code.folder
                    else:
                        name, place = outcome.model, str(outcome.path)
                    if name in places:
                        reason = f"the name {name} is taken by {places[name]}. Rename the folder."
                        broken.append(BrokenModel(place, reason))
                    else:
                        places[name] = place
                        read.append(outcome)
            prints.save()
            own = [f for f in folders if places.get(f.model, str(f.path)) == str(f.path)]
            there = [each for each in read if isinstance(each, Model)]
            catalog = cls(there, broken, own, clock, TrainedVersions(data / "trained"))
            catalog._descriptions = descriptions
            for each in read:
                if isinstance(each, ModelFolder):
                    catalog._read_beside(each.model, each.read)
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
        found = _attempt(only.read)
        prints.save()
        models, broken = ([], [found]) if isinstance(found, BrokenModel) else ([found], [])
        catalog = cls(models, broken, [only])
        catalog._descriptions = descriptions
        return catalog

    @property
    def broken(self) -> tuple[BrokenModel, ...]:
        """What cannot be used at present, each with its reason."""
        return tuple(self._broken.values())

    def add(self, model: Model) -> None:
        """A model from now on; of an earlier one by that name the versions are gone."""
        model = self._with_trained(model)
        former = self._models.get(model.id)
        for version in former.versions if former else ():
            self._gone[version.id] = self._versions.pop(version.id).model
        self._broken.pop(model.id, None)
        self._models[model.id] = model
        for version in model.versions:
            self._gone.pop(version.id, None)
            self._versions[version.id] = version

    def add_trained(self, version: Version) -> None:
        """A version that a training has made, once its model is here."""
        known = self._trained.setdefault(version.model, [])
        if version.id not in (each.id for each in known):
            known.append(version)
        model = self._models.get(version.model) or self._empty.get(version.model)
        if model is not None:
            self._put(model.id, model)

    def remove_trained(self, version: Version) -> None:
        """Blocks."""
        assert self.trained is not None
        self.trained.remove(version)
        known = self._trained[version.model]
        self._trained[version.model] = [each for each in known if each.id != version.id]
        model = self._models[version.model]
        kept = tuple(each for each in model.versions if each.id != version.id)
        self._put(model.id, replace(model, versions=kept))

    def _with_trained(self, model: Model) -> Model:
        trained = self._trained.get(model.id)
        if not trained:
            return model
        known = {version.id: version for version in (*trained, *model.versions)}
        newest_first = sorted(known.values(), key=lambda version: -version.created_at)
        return replace(model, versions=tuple(newest_first))

    def may_be_trained(self, name: str) -> bool:
        """Whether trainings may make versions of the model: of those that a person has brought, not
        of ours nor of the Hub's.
        """
        return name in self._folders or name in self._pushed

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

    def close(self) -> None:
        """Nothing is described any more."""
        self._beside.close()
        if self._descriptions is not None:
            self._descriptions.close()

    def _read_beside(self, name: str, read: Callable[[], Model | BrokenModel | None]) -> None:
        self._broken[name] = BrokenModel(name, _BEING_READ)
        self._beside.begin(name, partial(_attempt_all, name, read))

    @property
    def describes(self) -> bool:
        """Whether models are still being described."""
        return any(each.reason == _BEING_READ for each in self._broken.values())

    async def described(self, name: str, patience: float | None = None) -> bool:
        """Once the model is described, or after `patience` seconds; whether it still had to be."""
        waited = await self._beside.ended(name, patience)
        _tell(self._take_read())
        return waited

    def _take_read(self) -> list[BrokenModel]:
        """Takes up what has been described; those of it that cannot be used."""
        broken = []
        for name, found in self._beside.outcomes():
            if isinstance(found, BrokenModel):
                broken.append(found)
            if name in self._pushed:
                self._take([(name, found)])
            else:
                self._put_folder(name, found)
        return broken

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

    async def _take_news(self, published: Published) -> None:
        try:
            self._take(await asyncio.to_thread(published.news))
        except BaseException:
            self._mark = None  # looked at again
            raise
        finally:
            self._taking = None

    def _take(self, news: Iterable[tuple[str, Found]]) -> None:
        for name, found in news:
            self._broken.pop(f"published {name}", None)
            if self._is_taken(name):
                if found is None:
                    continue
                reason = f"the name {name} is taken by another model. Push it by another name."
                self._broken[f"published {name}"] = BrokenModel(f"published {name}", reason)
                continue
            self._put(name, found if isinstance(found, Model) else None)
            if isinstance(found, BrokenModel):
                self._broken[name] = found
            elif isinstance(found, NotDescribed) and self.published is not None:
                self._read_beside(name, partial(self.published.look, name))
            if found is None:
                self._pushed.discard(name)
            else:
                self._pushed.add(name)

    def _put(self, name: str, model: Model | None) -> None:
        """What there is by a name from now on; also a model without versions, and nothing."""
        self._empty.pop(name, None)
        self._broken.pop(name, None)
        if model is not None and self._with_trained(model).versions:
            self.add(model)
            return
        former = self._models.pop(name, None)
        for version in former.versions if former else ():
            self._gone[version.id] = self._versions.pop(version.id).model
        if model is not None:
            self._empty[name] = model

    def _is_taken(self, name: str) -> bool:
        """Whether a model that was not pushed has the name."""
        return name not in self._pushed and name in self

    def __contains__(self, name: object) -> bool:
        return name in self._models or name in self._broken or name in self._empty

    def models(self) -> tuple[Model, ...]:
        """All models: the featured first, then starters, then by category and name."""
        return tuple(
            sorted(
                self._models.values(), key=lambda m: (not m.featured, not m.toy, m.category, m.id)
            )
        )

    def categories(self) -> tuple[str, ...]:
        """The categories in the order of their first model."""
        return tuple(dict.fromkeys(model.category for model in self.models()))

    def empty(self) -> tuple[Model, ...]:
        """The models that have no version yet, by name."""
        return tuple(sorted(self._empty.values(), key=lambda model: model.id))

    def known(self, name: str) -> Model:
        """As `find`, also of what has no version yet."""
        return self._empty.get(name) or self.find(name)

    def find(self, name: str) -> Model:
        """The model called `owner/name`. Raises `NotFound`, with the nearest name there is."""
        model = self._models.get(name)
        if model is None:
            near = difflib.get_close_matches(name, list(self._models), 1)
            hint = f"Did you mean {near[0]!r}?" if near else ""
            if name in self._empty:
                hint = f"It has no version yet: `python app.py push DIR {name}` gives it one."
            if name in self._broken:
                hint = f"Its folder cannot be used: {self._broken[name].reason}"
            raise NotFound("Model", name, hint)
        return model

    def resolve(self, reference: str) -> Version:
        """The version that `owner/name`, `owner/name:version` or a bare version id means.

        Raises `NotFound` for an unknown model, `InvalidVersion` for an unknown version and
        `BrokenModel` where the model's folder cannot be used.
        """
        name, _, version_id = reference.partition(":")
        if "/" not in reference:
            name, version_id = self._model_of(reference), reference
            if not name:
                raise InvalidVersion(reference)
        if name in self._broken:
            raise BrokenModel(name, self._broken[name].reason)
        model = self.find(name)
        if reference == name:
            if model.refusal:
                raise BrokenModel(name, model.refusal)
            return model.latest
        for version in model.versions:
            if version.id == version_id:
                return version
        for damaged in model.damaged:
            if damaged.id == version_id:
                raise BrokenModel(name, damaged.reason)
        reason = ""
        if version_id in self._gone and name in self._pushed:
            reason = f"That version was deleted; the latest of {name} is {model.latest.id}."
        elif version_id in self._gone:
            reason = f"The folder of {name} has changed and this code is no longer there; "
            reason += f"its latest version is {model.latest.id}."
        elif _VERSION_ID.fullmatch(version_id):
            reason = f"{name} has no such version here; its latest is {model.latest.id}."
        raise InvalidVersion(reference, reason)

    async def fresh(self, reference: str, patience: float | None = None) -> Version:
        """As `resolve`, of what is in the model's folder now: a version is its code, so what has
        been edited while the app runs is another version. What is being described is waited for,
        with `patience` for so many seconds.
        """
        await self.take_up()
        name = reference.partition(":")[0] if "/" in reference else self._model_of(reference)
        await self.described(name, patience)
        if name in self._folders and self._clock() - self._looked.get(name, -1e9) >= _LOOK_EVERY:
            look = self._looks.get(name)
            if look is None:
                look = self._looks[name] = asyncio.create_task(self._look(self._folders[name]))
                look.add_done_callback(lambda _: self._looks.pop(name))
            # All who ask meanwhile wait for the same look, whoever of them goes away.
            await asyncio.shield(look)
        version = self.resolve(reference)
        if version.provisional and self._descriptions is not None:
            described = await asyncio.to_thread(self._descriptions.settled, version)
            if described is not None:
                self._settle(version, described)
                return self.resolve(reference)
        return version

    def _settle(self, version: Version, described: Described) -> None:
        """A model whose packages are installed is what an import of it says."""
        settled = replace(version, schema=described.document, provisional=False)
        model = self.find(version.model)
        warnings = folder_warnings.settled(model.warnings)
        self.add(
            replace(
                model,
                versions=tuple(settled if v.id == settled.id else v for v in model.versions),
                warnings=(*filter(None, [described.warning]), *warnings),
            )
        )

    def why_gone(self, version: Version) -> str:
        """Why the code of a version is no longer what its id names; "" if it is. Blocks."""
        folder = self._folders.get(version.model)
        gone = version.id.removesuffix(TRAINER) in self._gone
        if gone and (folder is None or version.origin is not None):
            return f"This version of {version.model} was deleted or replaced while this waited."
        if version.origin is not None:  # a trained one has a copy of its own
            return ""
        if gone or (folder is not None and folder.is_edited()):
            return f"The folder of {version.model} was edited while this waited. Run it again."
        return ""

    def search(self, text: str) -> tuple[Model, ...]:
        """The models in which every word of `text` occurs, names before descriptions."""
        words = text.lower().split()
        found = [m for m in self.models() if all(word in _searched(m) for word in words)]
        return tuple(sorted(found, key=lambda m: not all(word in m.id.lower() for word in words)))

    def _model_of(self, version_id: str) -> str:
        if version := self._versions.get(version_id):
            return version.model
        damaged = {each.id: name for name, m in self._models.items() for each in m.damaged}
        return damaged.get(version_id) or self._gone.get(version_id, "")

    async def _look(self, folder: ModelFolder) -> None:
        name = folder.model
        outcome = await asyncio.to_thread(folder.read_if_edited)
        self._looked[name] = self._clock()
        if outcome is not None:
            self._put_folder(name, outcome)

    def _put_folder(self, name: str, found: Model | BrokenModel | None) -> None:
        if isinstance(found, BrokenModel):
            self._broken[name] = found
        elif found is not None:
            self.add(found)


def names(models: Sequence[Path], data: Path, specs: Path = spec_files.SPECS) -> set[str]:
    """The names that `Catalog.load` would give to what was not pushed, at little cost."""
    prints, descriptions = (
        Fingerprints(data / "fingerprints.json"),
        Descriptions(data / "described"),
    )
    found = {each.model for root in models for each in find_folders(root, prints, descriptions)}
    for path in [*specs.glob("*/*.yaml"), *hub_models.specs(data)]:
        with contextlib.suppress(BrokenModel, KeyError, TypeError):
            found.add(str(read_yaml(path, path.stem)["name"]))
    return found


def _attempt(read: Callable[[], T]) -> T | BrokenModel:
    try:
        return read()
    except BrokenModel as error:
        return error


def _known(folder: ModelFolder) -> Model | ModelFolder:
    """The model if it has been described, else the folder as it is."""
    try:
        return folder.read(only_known=True)
    except NotDescribed:
        return folder


def _attempt_all(
    name: str, read: Callable[[], Model | BrokenModel | None]
) -> Model | BrokenModel | None:
    """As `_attempt`, where nobody would see what else is raised."""
    try:
        return _attempt(read)
    except Exception as error:
        return BrokenModel(name, f"it cannot be read: {type(error).__name__}: {error}.")


def _searched(model: Model) -> str:
    return f"{model.id} {model.description} {model.category}".lower()


def _tell(broken: Iterable[BrokenModel]) -> None:
    for each in broken:
        print(f"atelier: {each}", file=sys.stderr)
