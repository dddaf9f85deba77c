"""The Python packages that a cog.yaml names → the lines that an installer reads, wherever it runs.

Where what the app has installed satisfies all of them there is nothing to install.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from errors import BrokenModel
from model_registry.fingerprint import Fingerprints

_COMMENT = re.compile(r"(^|\s)#.*$")
_OPTION_OF_ONE = re.compile(r"\s--(hash|global-option|config-settings)\b.*$")
_OPTION_OF_ALL = re.compile(r"\s(-f|-i|--find-links|--(?:extra-)?index-url)[=\s]\s*(\S+)")
"""What some write behind a package, as on pip's command line: there it holds for all of them."""
_FILE_OPTIONS = {"-r": "-r", "--requirement": "-r", "-c": "-c", "--constraint": "-c"}
_PLACES = {"-f": "--find-links", "--find-links": "--find-links", "-e": "-e", "--editable": "-e"}
_ADDRESS = re.compile(r"[a-z+]+:", re.IGNORECASE)
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz")
_IS_OURS = {"cog", "coglet"}
"""The app brings these itself; a model finds ours in their place."""


def read(
    folder: Path, build: Mapping[str, Any], model: str, prints: Fingerprints
) -> tuple[str, ...]:
    """Lines without relative paths; none if there is nothing to install. A line that names what
    lies on this machine ends with a comment that its content decides: what was replaced is another
    requirement. Raises `BrokenModel`, naming file and line.
    """
    lines = tuple(_Reader(folder, model, prints).named(build))
    return () if all(map(_is_satisfied, lines)) else lines


class _Reader:
    def __init__(self, folder: Path, model: str, prints: Fingerprints) -> None:
        self._folder = folder.resolve()
        self._model = model
        self._prints = prints
        self._reading: list[Path] = []

    def named(self, build: Mapping[str, Any]) -> Iterator[str]:
        """What `build` asks for."""
        inline, file = build.get("python_packages"), build.get("python_requirements")
        if inline and file:
            raise self._broken(
                "cog.yaml", "build has both python_packages and python_requirements; keep one"
            )
        if not isinstance(inline or [], list) or not all(
            isinstance(each, str) for each in inline or []
        ):
            what = f"build.python_packages is {inline!r}; it must be a list such as [numpy==2.0.0]"
            raise self._broken("cog.yaml", what)
        if not isinstance(file or "", str):
            raise self._broken(
                "cog.yaml", f"build.python_requirements is {file!r}; it must name a file"
            )
        for each in inline or []:
            yield from self._line(each, self._folder, "cog.yaml: build.python_packages")
        if file:
            yield from self._file(self._folder, str(file), "cog.yaml: build.python_requirements")

    def _file(self, base: Path, name: str, where: str) -> Iterator[str]:
        path = self._inside(base, name, where)
        if not path.is_file():
            raise self._broken(where, f"{name} does not exist")
        if path in self._reading:
            raise self._broken(where, f"{name} leads back to itself")
        self._reading.append(path)
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            raise self._broken(where, f"{name} is no text") from None
        for number, line in _joined(text.splitlines()):
            shown = path.relative_to(self._folder).as_posix()
            yield from self._line(line, path.parent, f"{shown}, line {number}")
        self._reading.pop()

    def _line(self, line: str, base: Path, where: str) -> Iterator[str]:
        line = _COMMENT.sub("", line).strip()
        if not line:
            return
        if not line.startswith("-"):
            yield from self._requirement(line, base, where)
            return
        option, _, value = re.sub(r"^(-[a-z]|--[\w-]+)(=|\s*)", r"\1 ", line).partition(" ")
        value = value.strip().strip("'\"")
        if _FILE_OPTIONS.get(option) == "-r":
            yield from self._file(base, value, where)
        elif option in _FILE_OPTIONS:
            path = self._inside(base, value, where)
            yield f"-c {shlex.quote(str(path))}{self._mark(path)}"
        elif option in _PLACES and not _ADDRESS.match(value):
            path = (base / value).resolve()
            # What is editable is run where it lies: only what it asks for is installed.
            decides = path / "pyproject.toml" if _PLACES[option] == "-e" else path
            yield f"{_PLACES[option]} {shlex.quote(str(path))}{self._mark(decides)}"
        else:
            yield line

    def _requirement(self, line: str, base: Path, where: str) -> Iterator[str]:
        for option, value in _OPTION_OF_ALL.findall(line):
            # An index of its own must not hide the one that the other packages come from.
            place = "--find-links" if option in ("-f", "--find-links") else "--extra-index-url"
            yield from self._line(f"{place} {value}", base, where)
        line = _OPTION_OF_ALL.sub("", line)
        plain = _OPTION_OF_ONE.sub("", line).strip()
        if _ADDRESS.match(plain):
            yield line
            return
        file, _, marker = plain.partition(";")
        if (base / file.strip()).exists() and ("/" in file or file.strip().endswith(_ARCHIVES)):
            path = (base / file.strip()).resolve()
            yield path.as_uri() + (f" ;{marker}" if marker else "") + self._mark(path)
            return
        if file.startswith((".", "/")):
            raise self._broken(where, f"{file.strip()} does not exist")
        try:
            found = Requirement(plain)
        except InvalidRequirement as error:
            said = str(error).splitlines()[0]
            raise self._broken(where, f"{line!r} names no package ({said})") from None
        if found.name.lower() not in _IS_OURS:
            yield line

    def _mark(self, path: Path) -> str:
        return f" # {self._prints.of([path])[:16]}" if path.exists() else ""

    def _inside(self, base: Path, name: str, where: str) -> Path:
        path = (base / name).resolve()
        if not path.is_relative_to(self._folder):
            raise self._broken(where, f"{name} leads out of the folder")
        return path

    def _broken(self, where: str, what: str) -> BrokenModel:
        return BrokenModel(self._model, f"{where}: {what}.")


def _joined(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; what a backslash continues is one."""
    began, gathered = 0, ""
    for number, line in enumerate(lines, 1):
        began = began or number
        if line.endswith("\\"):
            gathered += line[:-1] + " "
            continue
        yield began, gathered + line
        began, gathered = 0, ""
    if gathered:
        yield began, gathered


def _is_satisfied(line: str) -> bool:
    """Whether the app's own packages are what the line asks for."""
    if line.startswith("-"):  # alone it installs nothing, unless it is a folder
        return not line.startswith("-e")
    try:
        wanted = Requirement(_OPTION_OF_ONE.sub("", line).strip())
        if wanted.marker is not None and not wanted.marker.evaluate():
            return True
        if wanted.url or wanted.extras:
            return False
        return wanted.specifier.contains(metadata.version(wanted.name), prereleases=True)
    except (InvalidRequirement, metadata.PackageNotFoundError):
        return False
