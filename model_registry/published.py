"""The models that were pushed: made into versions, described, changed, deleted, read."""

from __future__ import annotations

import filecmp
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from errors import AlreadyExists, BrokenModel, InvalidRequest, NotFound
from model_registry import cog_folder
from model_registry.description import Descriptions, NotDescribed
from model_registry.fingerprint import Fingerprints, files_below
from model_registry.folder_copy import copy
from model_registry.push_records import About, Held, Pushed, Records
from model_registry.spec import Damaged, Model, Version

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


Found = Model | BrokenModel | NotDescribed | None
"""What there is by a name; None where it is gone."""


class Published:
    """`taken` says whether a model that was not pushed has a name already."""

    def __init__(
        self,
        data: Path,
        taken: Callable[[str], bool] = lambda name: False,
        descriptions: Descriptions | None = None,
    ) -> None:
        self.records = Records(data / "published")
        self.taken = taken
        self._data = data
        self._described = descriptions
        self._seen: dict[str, Held] = {}
        self._looking = threading.Lock()

    # --- what changes it

    def push(self, folder: Path, name: str, source: str = "") -> tuple[Model, bool]:
        """The model, whose latest version is `folder` as it is now, and whether that is new.
        Blocks. Raises `InvalidRequest`, `AlreadyExists` and, where the folder is no model,
        `BrokenModel`.
        """
        self.check_name(name)
        if not folder.is_dir():
            raise InvalidRequest(f"There is no folder {folder} on this machine.")
        if not (folder / "cog.yaml").is_file():
            raise InvalidRequest(f"{folder} has no cog.yaml, so it is no model.")
        if self.records.root.resolve().is_relative_to(folder.resolve()):
            raise InvalidRequest(
                f"{folder} holds Atelier's own data. Push the model's folder alone."
            )
        with self.records.incoming() as place:
            links = copy(folder, place / "model", name)
            # What is hashed is the copy, which nobody edits meanwhile. Nothing of it is worth
            # remembering: it is about to move.
            prints = Fingerprints(Path(os.devnull))
            content = prints.of([place / "model"], *links)
            version = hashlib.sha256(f"{name}:{content}".encode()).hexdigest()
            self._model_of(place / "model", name, version)
            with self.records.locked():
                former = self.records.all().get(name)
                before = former.newest_first() if former else []
                kept = self.records.folder(content)
                is_there = _holds(kept, place / "model")
                if not is_there:
                    if kept.exists():  # damaged
                        kept.replace(place / "damaged")
                    (place / "model").replace(kept)
                if not is_there or not before or before[0][0] != version:
                    # The newest even where a clock was set back.
                    now = max([time.time(), *(each.pushed_at + 1e-3 for _, each in before[:1])])
                    self.records.put(version, Pushed(name, content, now, source))
        return self.read(name), version not in dict(before)

    def create(self, name: str, about: About) -> Model:
        """A model without a version. Raises `InvalidRequest`, `AlreadyExists`."""
        self.check_name(name)
        with self.records.locked():
            if name in self.records.all():
                raise AlreadyExists("model", name)
            self.records.put_about(name, about)
        return self.read(name)

    def change(self, name: str, changes: Mapping[str, Any]) -> Model:
        """The model with other fields of `About`. Raises `NotFound`."""
        with self.records.locked():
            about = msgspec.structs.replace(self.records.held(name).about, **changes)
            self.records.put_about(name, about)
        return self.read(name)

    def remove_version(self, name: str, version: str) -> None:
        """Removes a version, and its folder unless another has it too. Raises `NotFound`."""
        with self.records.locked():
            held = self.records.held(name)
            if version not in held.versions:
                raise NotFound(f"Version of {name}", version)
            self.records.put_about(name, held.about)  # it stays when its last version goes
            self.records.forget(version)

    def remove(self, name: str) -> None:
        """Removes a model that has no version. Raises `NotFound`, `InvalidRequest`."""
        with self.records.locked():
            if count := len(self.records.held(name).versions):
                raise InvalidRequest(
                    f"{name} has {count} version{'s' if count > 1 else ''}. Delete them first."
                )
            self.records.forget_about(name)

    def check_name(self, name: str) -> None:
        """Raises `InvalidRequest` for what is no name, `AlreadyExists` for one of another model."""
        if not _NAME.fullmatch(name):
            raise InvalidRequest(
                f"The name is {name!r}; it must be owner/name, of letters, digits, -, _ and ."
            )
        if self.taken(name):
            raise AlreadyExists("model", name)

    # --- what is in it

    def news(self) -> list[tuple[str, Found]]:
        """What has changed since the last call. Blocks, but describes nothing."""
        with self._looking:
            now, before = self.records.all(), self._seen
            changed = [name for name in {**now, **before} if now.get(name) != before.get(name)]
            with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as threads:
                found = list(threads.map(lambda name: self._found(name, now.get(name)), changed))
            self._seen = now
        return list(zip(changed, found, strict=True))

    def read(self, name: str) -> Model:
        """The model with its versions, the newest first. Raises `NotFound`, and `BrokenModel` where
        none of its versions can be used.
        """
        return self._built(name, self.records.held(name))

    def look(self, name: str) -> Model | BrokenModel | None:
        """The model as it is now, described. Blocks."""
        held = self.records.all().get(name)
        try:
            return None if held is None else self._built(name, held)
        except BrokenModel as error:
            return error

    def _found(self, name: str, held: Held | None) -> Found:
        try:
            return None if held is None else self._built(name, held, only_known=True)
        except (BrokenModel, NotDescribed) as error:
            return error

    def _built(self, name: str, held: Held, only_known: bool = False) -> Model:
        models, damaged = [], []
        for version, pushed in held.newest_first():
            try:
                folder = self.records.folder(pushed.folder)
                model = self._model_of(folder, name, version, only_known)
            except BrokenModel as error:
                reason = f"Its version {version[:12]} cannot be used: {error.reason}"
                damaged.append(Damaged(version, pushed.pushed_at, reason))
            else:
                models.append(_dated(model, pushed.pushed_at))
        if damaged and not models:
            raise BrokenModel(name, damaged[0].reason)
        return _with(held.about, name, models, damaged)

    def _model_of(self, folder: Path, name: str, version: str, only_known: bool = False) -> Model:
        owner, _, short = name.partition("/")
        if self._described is None:
            self._described = Descriptions(self._data / "described")
        descriptions = self._described.known if only_known else self._described
        return cog_folder.read(folder, owner, short, _Known(version), descriptions)


def _holds(kept: Path, pushed: Path) -> bool:
    """Whether all that was pushed is there as it was. A model may have added files of its own."""
    return kept.exists() and all(
        (kept / path.relative_to(pushed)).is_file()
        and filecmp.cmp(path, kept / path.relative_to(pushed), shallow=False)
        for path in files_below(pushed)
    )


class _Known(Fingerprints):
    """Of a folder that never changes: its id is on record."""

    def __init__(self, version: str) -> None:
        super().__init__(Path(os.devnull))
        self._version = version

    def of_folder(self, folder: Path, model: str) -> str:
        return self._version


def _dated(model: Model, pushed_at: float) -> Model:
    return replace(model, versions=(replace(model.latest, created_at=pushed_at),))


def _with(about: About, name: str, models: list[Model], damaged: list[Damaged]) -> Model:
    """The newest of a model's versions, each read by itself, with the others and what was said."""
    owner, _, short = name.partition("/")
    model = models[0] if models else Model(owner, short, ())
    versions: list[Version] = [each.latest for each in models]
    return replace(
        model,
        versions=tuple(versions),
        published=True,
        description=model.description if about.description is None else about.description,
        readme=model.readme if about.readme is None else about.readme,
        visibility=about.visibility,
        github_url=about.github_url,
        paper_url=about.paper_url,
        license_url=about.license_url,
        cover=about.cover_image_url,
        warnings=(*model.warnings, *(each.reason for each in damaged)),
        damaged=tuple(damaged),
    )
