"""Brings weights to this machine: one download for all who wait for it, stopped when nobody does,
gone on with when somebody does again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from errors import CannotDownload
from model_registry import fetch, hub
from model_registry.consents import Consents
from model_registry.hub_cache import HubCache
from model_registry.shelf import Extent, Shelf
from model_registry.sizes import size, size_of, time_left
from model_registry.spec import Model, Version, Weights
from settings import HubSettings

ROOT = Path(__file__).resolve().parent.parent
TICK = 1.0
"""Seconds between two reports to who waits."""
_SPEED_OVER = 8.0
"""Seconds over which the speed is measured."""
_FOR_NOTHING = 3
"""How often in a row the process may be killed before anything has arrived."""
_FORESEEN = 100 * 3600.0
"""Seconds: what would take longer than that has only just begun."""


@dataclass(frozen=True)
class Progress:
    """Bytes, and bytes a second. `total` is 0 before anybody knows; `note`: what it waits for."""

    done: int
    total: int
    speed: float
    note: str = ""

    def __str__(self) -> str:
        """`12.0 of 33.7 GB · 85 MB/s · 4 min left`"""
        parts = [size_of(self.done, self.total) if self.total else "asking the Hub"]
        if self.note:
            parts.append(self.note)
        elif self.speed >= 1:
            parts.append(f"{size(self.speed)}/s")
            seconds = (self.total - self.done) / self.speed
            if 0 < seconds < _FORESEEN:
                parts.append(time_left(seconds))
        return " · ".join(parts)


class Downloads:
    """`data` is the data folder. Nothing here is kept in memory that matters: a killed app finds
    everything again.
    """

    def __init__(self, settings: HubSettings, data: Path, offline: bool = False) -> None:
        cache = HubCache(settings.cache or data / "huggingface" / "hub")
        self.shelf = Shelf(data, cache)
        self.consents = Consents(data)
        self.offline = offline
        self._settings = settings
        self._data = data
        self._transfers: dict[tuple[object, ...], _Transfer] = {}
        self._tasks: set[asyncio.Task[str]] = set()

    def lacks_token(self, model: Model) -> bool:
        """Whether the Hub will ask who asks, and nobody says. A mirror may ask for nothing."""
        gated = model.licence is not None and model.licence.gated
        at_home = self._settings.endpoint == HubSettings.endpoint
        return gated and at_home and self._settings.token() is None

    def page(self, repo: str) -> str:
        """Where a repository can be read about, and its terms accepted."""
        return f"{self._settings.endpoint}/{repo}"

    # --- what is here and what may come; these look at the disk, so call them in a thread

    def located(self, version: Version) -> Version | None:
        """The version with the folders of its weights in its code; None where some are missing."""
        folders = {each: self.shelf.folder(each, self.offline) for each in version.weights}
        if any(folder is None for folder in folders.values()):
            return None
        return with_folders(version, {w.place: str(folder) for w, folder in folders.items()})

    def extent(self, version: Version) -> Extent:
        """What all weights of the version have in bytes, and how much of it is here."""
        found = [self.shelf.extent(each) for each in _distinct(version.weights)]
        totals = [each.total for each in found]
        known = None if None in totals else sum(total or 0 for total in totals)
        return Extent(known, sum(each.here for each in found))

    def check(self, model: Model, version: Version) -> None:
        """Raises `ConsentNeeded` or `CannotDownload` where it is plain already that the version
        cannot be brought here.
        """
        self.consents.check(model)
        missing = [each for each in version.weights if not self.shelf.folder(each, self.offline)]
        if not missing:
            return
        if self.offline:
            repos = " and ".join(dict.fromkeys(each.repo for each in missing))
            raise CannotDownload(
                f"{repos} must be downloaded for {model.id}, and Atelier was started with "
                "--offline, or with HF_HUB_OFFLINE set. Start it without, or run `python app.py "
                f"pull {model.id}` on a machine with network and bring what HF_HOME holds there to "
                f"{self.shelf.cache.root.parent}, or let HF_HOME name a folder that has it."
            )
        if self.lacks_token(model):
            repo = missing[0].repo
            raise CannotDownload(hub.gated(repo, self.page(repo), has_token=False))
        # What a spec says of sizes is rounded; before the Hub has said it, nobody is turned away.
        listed = all(self.shelf.files(each) is not None for each in missing)
        left, free = self.extent(version).left, self.shelf.cache.free()
        if listed and left is not None and left > free - self._settings.reserve:
            raise CannotDownload(
                f"{model.id} needs {size(left)} more on the disk of {self.shelf.cache.root}, where "
                f"{size(free)} are left ({size(self._settings.reserve)} are kept free). Remove "
                "models on the Models page, or let HF_HOME name a larger disk."
            )

    # --- downloading

    async def provide(self, version: Version, report: Callable[[Progress], None]) -> Version:
        """The version with the folders of its weights, downloaded where they are missing. `report`
        is called about once a second meanwhile. Cancelling leaves others' downloads alone. Raises
        `CannotDownload`.
        """
        located = await asyncio.to_thread(self.located, version)
        if located is not None:
            return located
        transfers = [self._joined(each) for each in version.weights]
        left: set[asyncio.Task[str]] = {each.task for each in transfers}
        try:
            while left:
                done, left = await asyncio.wait(
                    left, timeout=TICK, return_when=asyncio.FIRST_EXCEPTION
                )
                for each in done:
                    each.result()
                report(_sum(transfers))
        finally:
            for transfer in transfers:
                self._leave(transfer)
        pairs = zip(version.weights, transfers, strict=True)
        return with_folders(version, {each.place: got.task.result() for each, got in pairs})

    def running(self) -> dict[str, Progress]:
        """What is downloaded now, by repository."""
        return {
            each.weights.repo: Progress(each.done, each.total, each.speed(), each.note)
            for each in self._transfers.values()
        }

    async def stop(self) -> None:
        """Ends all processes; what has arrived is kept."""
        for each in self._transfers.values():
            each.end()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _joined(self, weights: Weights) -> _Transfer:
        """The one download of these weights, begun if there is none."""
        key = _key(weights)
        transfer = self._transfers.get(key)
        if transfer is None or transfer.task.done():
            asked = fetch.request(weights, self._data, self.shelf.cache.root, self._settings)
            transfer = self._transfers[key] = _Transfer(weights, asked)
            self._tasks.add(transfer.task)
            transfer.task.add_done_callback(self._tasks.discard)
        transfer.waiting += 1
        return transfer

    def _leave(self, transfer: _Transfer) -> None:
        """The last who leaves ends it."""
        transfer.waiting -= 1
        if not transfer.waiting:
            transfer.end()
            if self._transfers.get(_key(transfer.weights)) is transfer:
                del self._transfers[_key(transfer.weights)]


class _Transfer:
    """One process that downloads, and what it has told last."""

    def __init__(self, weights: Weights, request: str) -> None:
        self.weights = weights
        self.waiting = 0
        self.done = 0
        self.total = 0
        self.note = ""
        self._history: deque[tuple[float, int]] = deque()
        self._ended = False
        self._complaint = ""
        self.task = asyncio.get_running_loop().create_task(self._run(request))
        # Whoever waited may be gone by the time it fails.
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())

    def end(self) -> None:
        # Only once: a second time would interrupt the wait for its process to be gone.
        if not self._ended:
            self._ended = True
            self.task.cancel()

    def speed(self) -> float:
        """Bytes a second, lately; 0 where nothing has arrived lately."""
        now = time.monotonic()
        while len(self._history) > 1 and now - self._history[1][0] > _SPEED_OVER:
            self._history.popleft()
        if len(self._history) < 2:
            return 0.0
        then, before = self._history[0]
        return max(0.0, (self.done - before) / max(now - then, 0.5))

    async def _run(self, request: str) -> str:
        """Begins again when its process is killed, as long as that brings anything."""
        for_nothing, most = 0, 0
        while for_nothing < _FOR_NOTHING:
            if (folder := await self._fetched(request)) is not None:
                return folder
            for_nothing, most = (0, self.done) if self.done > most else (for_nothing + 1, most)
        reason = f": {self._complaint}" if self._complaint else ""
        raise CannotDownload(
            f"The download of {self.weights.repo} ended unexpectedly{reason}. Run it again: what "
            "has arrived is kept."
        )

    async def _fetched(self, request: str) -> str | None:
        """The folder; None where the process has ended without a word."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "model_registry.fetch",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, cwd=str(ROOT), start_new_session=True,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        assert process.stderr is not None
        complaints = asyncio.ensure_future(process.stderr.read())
        try:
            process.stdin.write(request.encode())
            async for line in process.stdout:
                said = json.loads(line)
                if "failed" in said:
                    raise CannotDownload(said["failed"])
                if "folder" in said:
                    return str(said["folder"])
                self.total = said.get("total", self.total)
                self.done = said.get("done", self.done)
                self.note = said.get("note", "")
                self._history.append((time.monotonic(), self.done))
            said = (await complaints).decode(errors="replace").strip()
            self._complaint = said.rpartition("\n")[2]
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            complaints.cancel()


def with_folders(version: Version, folders: dict[str, str]) -> Version:
    """The version with folders where its code has the places of weights (`Weights.place`)."""
    if not version.weights:
        return version
    code = version.code
    options = dict(code.options)
    if "parts" in options:
        options["parts"] = {
            role: folders.get(place, place) for role, place in options["parts"].items()
        }
    weights = folders.get(code.weights, code.weights) if code.weights else code.weights
    return replace(version, code=replace(code, weights=weights, options=options))


def _sum(transfers: Iterable[_Transfer]) -> Progress:
    each = list({_key(transfer.weights): transfer for transfer in transfers}.values())
    total = sum(e.total for e in each) if all(e.total for e in each) else 0
    note = next((e.note for e in each if e.note), "")
    return Progress(sum(e.done for e in each), total, sum(e.speed() for e in each), note)


def _key(weights: Weights) -> tuple[object, ...]:
    return (weights.repo, weights.revision, weights.files)


def _distinct(weights: Iterable[Weights]) -> Iterable[Weights]:
    return {_key(each): each for each in weights}.values()
