"""Folders below `--models`: read at the start, and again when their code has been edited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from errors import BrokenModel
from model_registry import cog_folder
from model_registry.description import Descriptions
from model_registry.fingerprint import Fingerprints, code_state
from model_registry.spec import Model

_LOOK_EVERY = 1.0
"""Seconds between looks into a folder."""


class ModelFolder:
    def __init__(
        self, owner: str, name: str, path: Path, prints: Fingerprints, descriptions: Descriptions
    ) -> None:
        self.model = f"{owner}/{name}"
        self._owner = owner
        self._name = name
        self.path = path
        self._prints = prints
        self._descriptions = descriptions
        self._state: tuple[tuple[str, int, int], ...] = ()

    def read(self, only_known: bool = False) -> Model:
        """The model as the folder has it now. Raises `BrokenModel`, and `NotDescribed` at once
        where `only_known` and no description has been made.
        """
        # Taken first: what is edited while it is read is read again.
        self._state = code_state(self.path)
        descriptions = self._descriptions.known if only_known else self._descriptions
        model = cog_folder.read(self.path, self._owner, self._name, self._prints, descriptions)
        return replace(model, live=True)

    def is_edited(self) -> bool:
        """Whether the code is no longer as it was when it was read. Blocks."""
        return code_state(self.path) != self._state

    def holds(self, version_id: str) -> bool:
        """Whether the folder's content is still that version's: models also write what was there
        already, when they are imported. Blocks.
        """
        return not self.is_edited() or (self._prints.of_folder(self.path, self.model) == version_id)

    def read_if_edited(self) -> Model | BrokenModel | None:
        """The model, or why it cannot be used any more; None if the code is as it was."""
        if not self.is_edited():
            return None
        try:
            model = self.read()
        except BrokenModel as error:
            return error
        self._prints.save()
        return model


class LiveFolders:
    """Folders by their models' names. `put` is given what an edited one has become."""

    def __init__(
        self,
        folders: Iterable[ModelFolder],
        clock: Callable[[], float],
        put: Callable[[Model | BrokenModel], None],
    ) -> None:
        self._folders = {folder.model: folder for folder in folders}
        self._clock = clock
        self._put = put
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._looked: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._folders

    def hold(self, name: str, version_id: str) -> bool:
        """Whether the folder of a model, if it has one, still holds that version. Blocks."""
        return name not in self._folders or self._folders[name].holds(version_id)

    async def look(self, name: str) -> None:
        """Into the folder of a model, if it has one; once in a while, however often it is asked."""
        if name not in self._folders or self._clock() - self._looked.get(name, -1e9) < _LOOK_EVERY:
            return
        look = self._looks.get(name)
        if look is None:
            look = self._looks[name] = asyncio.create_task(self._look(self._folders[name]))
            look.add_done_callback(lambda _: self._looks.pop(name))
        # All who ask meanwhile wait for the same look, whoever of them goes away.
        await asyncio.shield(look)

    async def _look(self, folder: ModelFolder) -> None:
        outcome = await asyncio.to_thread(folder.read_if_edited)
        self._looked[folder.model] = self._clock()
        if outcome is not None:
            self._put(outcome)


def find_folders(
    root: Path, prints: Fingerprints, descriptions: Descriptions
) -> Iterator[ModelFolder]:
    """`<folder>/cog.yaml` is local/<folder>, `<owner>/<name>/cog.yaml` is <owner>/<name>."""
    for path in sorted(root.glob("*/cog.yaml")):
        folder = path.parent
        yield ModelFolder("local", folder.name, folder.resolve(), prints, descriptions)
    for path in sorted(root.glob("*/*/cog.yaml")):
        folder = path.parent
        if not (folder.parent / "cog.yaml").exists():
            owner = folder.parent.name
            yield ModelFolder(owner, folder.name, folder.resolve(), prints, descriptions)
