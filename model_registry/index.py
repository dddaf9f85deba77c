"""What there is: models, their versions, what cannot be used, what is gone; and what a reference
means. Plain data: nothing is read here, and nobody waits.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import replace

from errors import BrokenModel, InvalidVersion, NotFound
from model_registry.spec import Model, Version

_VERSION_ID = re.compile(r"[0-9a-f]{64}")


class Index:
    """Models by name; a name may also be of what is broken, and of what has no version yet."""

    def __init__(self, models: Iterable[Model] = (), broken: Iterable[BrokenModel] = ()) -> None:
        self._models: dict[str, Model] = {}
        self._empty: dict[str, Model] = {}
        """Those without a version."""
        self._broken: dict[str, BrokenModel] = {}
        self._versions: dict[str, str] = {}
        """Of every version the model."""
        self._gone: dict[str, str] = {}
        """The same of those that were here before."""
        self._trained: dict[str, list[Version]] = {}
        """By model, which may still be to come."""
        for model in models:
            self.add(model)
        for error in broken:
            self.add_broken(error)

    # --- what changes it

    def add(self, model: Model) -> None:
        """A model from now on; of an earlier one by that name the versions are gone."""
        self.remove(model.id)
        model = self._with_trained(model)
        if not model.versions:
            self._empty[model.id] = model
            return
        self._models[model.id] = model
        for version in model.versions:
            self._gone.pop(version.id, None)
            self._versions[version.id] = model.id

    def add_broken(self, error: BrokenModel) -> None:
        """What cannot be used until it is added or removed; versions that are here stay."""
        self._broken[error.model] = error

    def remove(self, name: str) -> None:
        """Whatever there is by a name."""
        self._empty.pop(name, None)
        self._broken.pop(name, None)
        former = self._models.pop(name, None)
        for version in former.versions if former else ():
            self._gone[version.id] = self._versions.pop(version.id)

    def add_trained(self, version: Version) -> None:
        """A version that a training has made, once its model is here."""
        known = self._trained.setdefault(version.model, [])
        if version.id not in (each.id for each in known):
            known.append(version)
        model = self._models.get(version.model) or self._empty.get(version.model)
        if model is not None:
            self.add(model)

    def remove_trained(self, version: Version) -> None:
        known = self._trained[version.model]
        self._trained[version.model] = [each for each in known if each.id != version.id]
        model = self._models[version.model]
        kept = tuple(each for each in model.versions if each.id != version.id)
        self.add(replace(model, versions=kept))

    def _with_trained(self, model: Model) -> Model:
        trained = self._trained.get(model.id)
        if not trained:
            return model
        known = {version.id: version for version in (*trained, *model.versions)}
        newest_first = sorted(known.values(), key=lambda version: -version.created_at)
        return replace(model, versions=tuple(newest_first))

    # --- what is in it

    def __contains__(self, name: object) -> bool:
        return name in self._models or name in self._broken or name in self._empty

    @property
    def broken(self) -> tuple[BrokenModel, ...]:
        """What cannot be used at present, each with its reason."""
        return tuple(self._broken.values())

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

    def search(self, text: str) -> tuple[Model, ...]:
        """The models in which every word of `text` occurs, names before descriptions."""
        words = text.lower().split()
        found = [m for m in self.models() if all(word in _searched(m) for word in words)]
        return tuple(sorted(found, key=lambda m: not all(word in m.id.lower() for word in words)))

    def find(self, name: str) -> Model:
        """The model called `owner/name`. Raises `NotFound`, with the nearest name there is."""
        model = self._models.get(name)
        if model is None:
            last = name.rpartition("/")[2]
            near = [each for each in sorted(self._models) if each.rpartition("/")[2] == last]
            near = near or difflib.get_close_matches(name, list(self._models), 1)
            hint = f"Did you mean {near[0]!r}?" if near else ""
            if name in self._empty:
                hint = f"It has no version yet: `python app.py push DIR {name}` gives it one."
            if name in self._broken:
                hint = f"Its folder cannot be used: {self._broken[name].reason}"
            raise NotFound("Model", name, hint)
        return model

    def known(self, name: str) -> Model:
        """As `find`, also of what has no version yet."""
        return self._empty.get(name) or self.find(name)

    def resolve(self, reference: str) -> Version:
        """The version that `owner/name`, `owner/name:version` or a bare version id means.

        Raises `NotFound` for an unknown model, `InvalidVersion` for an unknown version and
        `BrokenModel` where the model's folder cannot be used.
        """
        name, _, version_id = reference.partition(":")
        if "/" not in reference:
            name, version_id = self.model_of(reference), reference
            if not name:
                known = _VERSION_ID.fullmatch(reference)
                raise InvalidVersion(reference, "No model has it." if known else "")
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
        if version_id in self._gone and model.published:
            reason = f"That version was deleted; the latest of {name} is {model.latest.id}."
        elif version_id in self._gone:
            reason = f"The folder of {name} has changed and this code is no longer there; "
            reason += f"its latest version is {model.latest.id}."
        elif _VERSION_ID.fullmatch(version_id):
            reason = f"{name} has no such version here; its latest is {model.latest.id}."
        raise InvalidVersion(reference, reason)

    def model_of(self, version_id: str) -> str:
        """The model that a version is or was of; "" where there was none."""
        if name := self._versions.get(version_id):
            return name
        damaged = {each.id: name for name, m in self._models.items() for each in m.damaged}
        return damaged.get(version_id) or self._gone.get(version_id, "")

    def is_gone(self, version_id: str) -> bool:
        """Whether there was such a version, and is none any more."""
        return version_id in self._gone


def _searched(model: Model) -> str:
    return f"{model.id} {model.description} {model.category}".lower()
