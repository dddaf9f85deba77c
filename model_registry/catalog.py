"""Which models exist: find, search, resolve. Fed by our specs and by folders of Cog models."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from errors import BrokenModel, InvalidVersion, NotFound
from model_registry import cog_folder, spec_files
from model_registry.description import Descriptions
from model_registry.fingerprint import Fingerprints
from model_registry.spec import Model, Version

_VERSION_ID = re.compile(r"[0-9a-f]{64}")


class Catalog:
    """All models, and `broken`: those that could not be read, each with its reason."""

    def __init__(self, models: Iterable[Model], broken: Iterable[BrokenModel] = ()) -> None:
        self.broken = tuple(broken)
        self._models = {model.id: model for model in models}
        self._versions = {
            version.id: version for model in self._models.values() for version in model.versions
        }

    @classmethod
    def load(cls, models: Sequence[Path], data: Path, specs: Path = spec_files.SPECS) -> Catalog:
        """Reads our specs, then each folder of `models`; a name that comes twice is the later
        one's.

        What is described or hashed is kept below `data`. One broken model harms no other.
        """
        prints = Fingerprints(data / "fingerprints.json")
        descriptions = Descriptions(data / "described")
        readers: list[Callable[[], Model]] = [
            partial(spec_files.read, path, prints, descriptions)
            for path in sorted(specs.glob("*/*.yaml"))
        ]
        broken = []
        for root in models:
            found = list(_folders(root))
            if not found:
                reason = (
                    "there is no folder with a cog.yaml in it"
                    if root.is_dir()
                    else "it does not exist"
                )
                broken.append(BrokenModel(str(root), reason + "."))
            readers += [
                partial(cog_folder.read, folder, owner, name, prints, descriptions)
                for owner, name, folder in found
            ]
        read = []
        with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as threads:
            for outcome in threads.map(_attempt, readers):
                if isinstance(outcome, BrokenModel):
                    broken.append(outcome)
                else:
                    read.append(outcome)
        prints.save()
        return cls(read, broken)

    def models(self) -> tuple[Model, ...]:
        """All models: starters first, then by category and name."""
        return tuple(sorted(self._models.values(), key=lambda m: (not m.toy, m.category, m.id)))

    def categories(self) -> tuple[str, ...]:
        """The categories in the order of their first model."""
        return tuple(dict.fromkeys(model.category for model in self.models()))

    def find(self, name: str) -> Model:
        """The model called `owner/name`. Raises `NotFound`, with the nearest name there is."""
        model = self._models.get(name)
        if model is None:
            near = difflib.get_close_matches(name, self._models, 1)
            raise NotFound("Model", name, f"Did you mean {near[0]!r}?" if near else "")
        return model

    def resolve(self, reference: str) -> Version:
        """The version that `owner/name`, `owner/name:version` or a bare version id means.

        Raises `NotFound` for an unknown model and `InvalidVersion` for an unknown version.
        """
        name, colon, version_id = reference.partition(":")
        if "/" not in reference:
            version = self._versions.get(reference)
            if version is None:
                raise InvalidVersion(reference)
            return version
        model = self.find(name)
        if not colon:
            return model.latest
        for version in model.versions:
            if version.id == version_id:
                return version
        reason = ""
        if _VERSION_ID.fullmatch(version_id):
            reason = f"{name} has no such version here; its latest is {model.latest.id}."
        raise InvalidVersion(reference, reason)

    def search(self, text: str) -> tuple[Model, ...]:
        """The models in which every word of `text` occurs, names before descriptions."""
        words = text.lower().split()
        found = [m for m in self.models() if all(word in _searched(m) for word in words)]
        return tuple(sorted(found, key=lambda m: not all(word in m.id.lower() for word in words)))


def _attempt(read: Callable[[], Model]) -> Model | BrokenModel:
    try:
        return read()
    except BrokenModel as error:
        return error


def _folders(root: Path) -> Iterator[tuple[str, str, Path]]:
    """`<folder>/cog.yaml` is local/<folder>, `<owner>/<name>/cog.yaml` is <owner>/<name>."""
    for path in sorted(root.glob("*/cog.yaml")):
        yield "local", path.parent.name, path.parent.resolve()
    for path in sorted(root.glob("*/*/cog.yaml")):
        if not (path.parent.parent / "cog.yaml").exists():
            yield path.parent.parent.name, path.parent.name, path.parent.resolve()


def _searched(model: Model) -> str:
    return f"{model.id} {model.description} {model.category}".lower()
