"""One virtual environment's folder on disk, beside the app's packages.

While an installer works, cards of the app's packages lie in the environment, so that it takes them
for installed and leaves alone what they satisfy. Then a file of paths takes the cards' place:
Python finds the app's packages behind the environment's own, which hide theirs.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
import venv
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

READY = "ready.json"
"""Written last: an environment without it is half built and used by nobody."""

REQUIREMENTS = "requirements.txt"
SEPARATORS = re.compile(r"[-_.]+")


def is_ready(place: Path) -> bool:
    return (place / READY).is_file()


def python_of(place: Path) -> Path:
    return place / "bin" / "python"


def prepare(place: Path, packages: Sequence[str]) -> None:
    """An environment with nothing in it but a file of requirements and the cards of the app's
    packages; with pip only where the app has none.
    """
    shutil.rmtree(place, ignore_errors=True)
    venv.create(place, symlinks=True, with_pip=not app_has_pip())
    (place / REQUIREMENTS).write_text("\n".join(packages) + "\n")
    for card in cards():
        card.lay_into(_packages_of(place))


def finish(place: Path, packages: Sequence[str]) -> None:
    """Takes the cards out and lets the app's packages in."""
    there = _packages_of(place)
    for card in cards():
        card.take_from(there)
    (there / "app.pth").write_text("".join(f"{folder}\n" for folder in app_folders()))
    temporary = place / f"{READY}.new"
    temporary.write_text(json.dumps({"packages": list(packages), "python": sys.version}))
    temporary.replace(place / READY)


class Card:
    """What an installer reads of one installed package: its name, version and requirements."""

    def __init__(self, package: metadata.Distribution) -> None:
        name = SEPARATORS.sub("_", package.metadata["Name"])
        self.folder = f"{name}-{package.version}.dist-info"
        self._files = {"METADATA": package.read_text("METADATA") or "", "INSTALLER": "atelier\n"}
        listed = "".join(f"{self.folder}/{file},,\n" for file in (*self._files, "RECORD"))
        self._files["RECORD"] = listed  # an installer that replaces the package deletes these

    def lay_into(self, packages: Path) -> None:
        folder = packages / self.folder
        folder.mkdir(exist_ok=True)
        for name, text in self._files.items():
            (folder / name).write_text(text)

    def take_from(self, packages: Path) -> None:
        """What an installer has put in its place stays."""
        record = packages / self.folder / "RECORD"
        if record.is_file() and record.read_text() == self._files["RECORD"]:
            shutil.rmtree(record.parent)


@cache
def cards() -> tuple[Card, ...]:
    """The app's packages as they were first asked for; of several versions the one that is
    imported.
    """
    found: dict[str, Card] = {}
    for package in metadata.distributions(path=app_folders()):
        if package.metadata["Name"]:
            plain = SEPARATORS.sub("-", package.metadata["Name"]).lower()
            if plain not in found:
                found[plain] = Card(package)
    return tuple(found.values())


def app_folders() -> list[str]:
    """Where the app's packages lie."""
    return [each for each in sys.path if Path(each).name in ("site-packages", "dist-packages")]


def app_has_pip() -> bool:
    return importlib.util.find_spec("pip") is not None


def _packages_of(place: Path) -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return place / "lib" / version / "site-packages"
