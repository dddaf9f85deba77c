"""What a start of the app reads: our specs, folders of Cog models, what was added from the Hub."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from errors import BrokenModel
from model_registry import hub_models, spec_files
from model_registry.cog_folder import read_yaml
from model_registry.description import Descriptions, NotDescribed
from model_registry.fingerprint import Fingerprints
from model_registry.model_folder import ModelFolder, find_folders
from model_registry.spec import Model

T = TypeVar("T")


@dataclass(frozen=True)
class Sources:
    """What was read. `folders` are those that have their name to themselves, `undescribed` those of
    them whose models are still to be described.
    """

    models: list[Model] = field(default_factory=list)
    broken: list[BrokenModel] = field(default_factory=list)
    folders: list[ModelFolder] = field(default_factory=list)
    undescribed: list[ModelFolder] = field(default_factory=list)


def read(
    roots: Sequence[Path], data: Path, specs: Path, prints: Fingerprints, descriptions: Descriptions
) -> Sources:
    """Our specs, then each folder of `roots`, then what was added from the Hub. Of two models with
    one name the first is kept and the other is among the broken. Of the folders none is described.
    """
    found = Sources()
    folders = []
    for root in roots:
        below = list(find_folders(root, prints, descriptions))
        if not below:
            found.broken.append(BrokenModel(str(root), _why_none(root)))
        folders += below
    read_spec = partial(spec_files.read, prints=prints, descriptions=descriptions)
    readers: list[Callable[[], Model | ModelFolder]] = [
        *(partial(read_spec, path) for path in sorted(specs.glob("*/*.yaml"))),
        *(partial(_known, folder) for folder in folders),
        *(partial(read_spec, path) for path in hub_models.specs(data)),
    ]
    places: dict[str, str] = {}
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as threads:
        for outcome in threads.map(attempt, readers):
            if isinstance(outcome, BrokenModel):
                found.broken.append(outcome)
                continue
            if isinstance(outcome, Model):
                name, place = outcome.id, outcome.latest.code.folder
            else:
                name, place = outcome.model, str(outcome.path)
            if name in places:
                reason = f"the name {name} is taken by {places[name]}. Rename the folder."
                found.broken.append(BrokenModel(place, reason))
                continue
            places[name] = place
            if isinstance(outcome, Model):
                found.models.append(outcome)
            else:
                found.undescribed.append(outcome)
    found.folders.extend(f for f in folders if places.get(f.model, str(f.path)) == str(f.path))
    prints.save()
    return found


def _why_none(root: Path) -> str:
    if (root / "cog.yaml").is_file():
        return f"it is a model itself. Name the folder that it lies in, {root.parent}."
    if root.is_dir():
        return "there is no folder with a cog.yaml in it."
    return "it is no folder." if root.exists() else "it does not exist."


def names(roots: Sequence[Path], data: Path, specs: Path = spec_files.SPECS) -> set[str]:
    """The names that `read` would give, at little cost."""
    prints = Fingerprints(data / "fingerprints.json")
    descriptions = Descriptions(data / "described")
    found = {each.model for root in roots for each in find_folders(root, prints, descriptions)}
    for path in [*specs.glob("*/*.yaml"), *hub_models.specs(data)]:
        with contextlib.suppress(BrokenModel, KeyError, TypeError):
            found.add(str(read_yaml(path, path.stem)["name"]))
    return found


def attempt(read: Callable[[], T]) -> T | BrokenModel:
    """What is read, or why it cannot be used."""
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
