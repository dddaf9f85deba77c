"""A folder below `--models`: read at the start, and again when its code has been edited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from errors import BrokenModel
from model_registry import cog_folder
from model_registry.description import Descriptions
from model_registry.fingerprint import Fingerprints, code_state
from model_registry.spec import Model


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
