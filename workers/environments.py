"""Models' own environments: each built once for its list of requirements, by uv or else pip, beside
the app's packages. Knows requirements, not models.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO

from errors import CannotBuild
from workers import environment_folder
from workers.environment_folder import REQUIREMENTS, SEPARATORS, is_ready, python_of
from workers.tied import tied

BETWEEN_LOOKS = 0.2
"""Seconds between two looks at whether another process has finished the same build."""

KEPT_LINES = 12
"""How much of what an installer said last belongs to the reason why it failed."""

_COMMENT = re.compile(r" #.*$")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_ERROR = re.compile(r"\s*(ERROR:|error:|×)")
# What only puzzles, and that a card is taken from the environment: the app's package stays.
_NOISE = re.compile(
    r"Requirement already|Looking in |Processing |\[notice\]|WARNING: |Uninstalled | - "
    r"|\s+(Attempting uninstall|Found existing|Uninstalling|Successfully uninstalled)"
)
_ORIGIN = re.compile(r" \(from (-r )?requirements\.txt \(line \d+\)\)")

Said = Callable[[str], None]


class Environments:
    """Environments in `folder`. `offline`: an installer asks no network. `uv` is the path of that
    program; None looks for it, and takes pip where there is none.
    """

    def __init__(self, folder: Path, offline: bool = False, uv: str | None = None) -> None:
        self._folder = folder
        self._offline = offline
        self._uv = uv or shutil.which("uv")
        self._builds: dict[str, _Build] = {}
        self._stopping = False

    def python_for(self, packages: Sequence[str]) -> Path | None:
        """The interpreter of the environment with these packages, None while there is none."""
        place = self._place(packages)
        return python_of(place) if is_ready(place) else None

    async def build(self, packages: Sequence[str], said: Said) -> Path:
        """The interpreter, once the environment is there: who asks for one that is being built
        waits for that build. `said` gets lines for people. Raises `CannotBuild`.
        """
        if python := self.python_for(packages):
            return python
        if self._stopping:
            raise CannotBuild("Atelier was stopped before the environment was built.")
        key = self._place(packages).name
        build = self._builds.get(key)
        if build is None:
            build = self._builds[key] = _Build()
            build.task = asyncio.create_task(self._build(packages, build.say))
            build.task.add_done_callback(lambda task: self._built(key, task))
        with build.heard_by(said):
            # Who no longer waits does not take it from those who do.
            return await asyncio.shield(build.task)

    def _built(self, key: str, task: asyncio.Task[Path]) -> None:
        del self._builds[key]
        if not task.cancelled():
            task.exception()  # nobody may be waiting for it any more

    async def stop(self) -> None:
        """Ends what is being built; nothing is begun any more."""
        self._stopping = True
        tasks = [build.task for build in self._builds.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def remove_unused(self, used: Iterable[Sequence[str]]) -> int:
        """Deletes the environments that none of these lists asks for, and what killed builds have
        left; how many. Those being built stay. Blocks.
        """
        there = [place for place in self._folder.glob("*") if place.is_dir()]
        wanted = {self._place(packages) for packages in used} if there else set()
        removed = 0
        for place in there:
            if place in wanted and is_ready(place):
                continue
            with open(_lock(place), "w") as lock:
                if _taken(lock):
                    shutil.rmtree(place, ignore_errors=True)
                    removed += 1
        return removed

    def _place(self, packages: Sequence[str]) -> Path:
        what = json.dumps([list(packages), self._around])
        return self._folder / hashlib.sha256(what.encode()).hexdigest()[:32]

    @cached_property
    def _around(self) -> list[str]:
        """What an environment stands beside: where that changes, it is built anew."""
        cards = sorted(card.folder for card in environment_folder.cards())
        return [sys.version, *environment_folder.app_folders(), *cards]

    async def _build(self, packages: Sequence[str], said: Said) -> Path:
        place = self._place(packages)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(_lock(place), "w") as lock:
                while not _taken(lock):
                    said("Another process builds the same environment.")
                    await asyncio.sleep(BETWEEN_LOOKS)
                if self.python_for(packages) is None:
                    await self._build_alone(packages, place, lock, said)
        except OSError as error:
            raise CannotBuild(f"Its own environment could not be built: {error}.") from None
        return python_of(place)

    async def _build_alone(
        self, packages: Sequence[str], place: Path, lock: IO[str], said: Said
    ) -> None:
        installer = "uv" if self._uv else "pip"
        wanted = ", ".join(_COMMENT.sub("", each) for each in packages if each[0] != "-")
        said(f"Building the model's own environment with {installer}: {wanted}")
        began = time.monotonic()
        try:
            await asyncio.to_thread(environment_folder.prepare, place, packages)
            await self._install(packages, place, lock, said)
            await asyncio.to_thread(environment_folder.finish, place, packages)
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, place, True)
            raise
        said(f"The environment was built in {time.monotonic() - began:.0f} s.")

    async def _install(
        self, packages: Sequence[str], place: Path, lock: IO[str], said: Said
    ) -> None:
        installer = await asyncio.create_subprocess_exec(
            *tied(self._command(str(python_of(place)))),
            cwd=place,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # It holds the lock too: should it outlive us, nobody builds where it still writes.
            pass_fds=(lock.fileno(),),
            start_new_session=True,
        )
        assert installer.stdout is not None
        lines: list[str] = []
        try:
            async for line in _lines(installer.stdout):
                shown = _ORIGIN.sub("", line.replace(f"{place}/", "")).rstrip()
                if shown and not _NOISE.match(shown):
                    lines.append(shown)
                    said(shown)
            code = await installer.wait()
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(installer.pid, signal.SIGKILL)
            await installer.wait()
        if code:
            raise CannotBuild(self._failure(packages, lines, code))

    def _command(self, python: str) -> list[str]:
        if self._uv:
            offline = ["--offline"] if self._offline else []
            plain = ["--no-progress", "--color", "never", *offline]
            return [self._uv, "pip", "install", "--python", python, *plain, "-r", REQUIREMENTS]
        pip = [python, "-m", "pip"]
        if environment_folder.app_has_pip():
            pip = [sys.executable, "-m", "pip", "--python", python]
        plain = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
        unworried = ["--no-warn-script-location", "--no-warn-conflicts"]
        offline = ["--no-index"] if self._offline else []
        return [*pip, "install", *plain, *unworried, *offline, "-r", REQUIREMENTS]

    def _failure(self, packages: Sequence[str], lines: list[str], code: int) -> str:
        first = next((at for at, line in enumerate(lines) if _ERROR.match(line)), 0)
        failed = _named(packages, lines[first:]) or "what it needs"
        reason = f"Its own environment could not be built: {failed} could not be installed."
        if self._offline:
            reason += " Atelier runs with --offline and asks no network; start it once without."
        said = lines[-KEPT_LINES:] or [f"The installer ended with code {code}, saying nothing."]
        return "\n".join([reason, *said])


class _Build:
    """A build that goes on, and those who listen to it."""

    task: asyncio.Task[Path]

    def __init__(self) -> None:
        self._listeners: list[Said] = []
        self._last = ""

    def say(self, line: str) -> None:
        if line != self._last:
            self._last = line
            for said in list(self._listeners):
                said(line)

    @contextlib.contextmanager
    def heard_by(self, said: Said) -> Iterator[None]:
        self._listeners.append(said)
        if self._last:
            said(self._last)
        try:
            yield
        finally:
            self._listeners.remove(said)


def _lock(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


def _taken(lock: IO[str]) -> bool:
    """Whether the lock is ours now. It is free once no process holds it, killed or not."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines of any length."""
    rest = b""
    while data := await stream.read(1 << 16):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
    yield rest.decode(errors="replace")


def _named(packages: Sequence[str], lines: list[str]) -> str:
    """The first of the requirements that these lines of an installer speak of."""
    text = SEPARATORS.sub("-", "\n".join(lines)).lower()
    for requirement in packages:
        name = _NAME.match(requirement.rpartition("/")[2])
        plain = SEPARATORS.sub("-", name[0]).lower() if name else ""
        if plain and re.search(rf"(?<![\w-]){re.escape(plain)}(?![\w-])", text):
            return _COMMENT.sub("", requirement)
    return ""
