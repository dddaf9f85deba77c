"""What a prediction waits for before the pool gets it: weights that are still to be downloaded."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from model_registry.downloads import Downloads, Progress
from model_registry.sizes import size
from model_registry.spec import Model, Version
from workers import messages
from workers.messages import Event

_LOGGED_EVERY = 10
"""Percent of a download between two lines in the log."""


class Provision:
    """`tell` takes what happens to the predictions that wait."""

    def __init__(self, downloads: Downloads, tell: Callable[[Sequence[Event]], None]) -> None:
        self.downloads = downloads
        self._tell = tell
        self._waiting: dict[str, asyncio.Task[Version]] = {}

    async def check(self, model: Model, version: Version) -> None:
        """Raises `ConsentNeeded` or `CannotDownload` where it is plain that it cannot run."""
        if version.weights:
            await asyncio.to_thread(self.downloads.check, model, version)

    async def provide(self, prediction_id: str, version: Version) -> Version | None:
        """The version as the pool can run it; None once the prediction is given up. Raises
        `CannotDownload`.
        """
        if not version.weights:
            return version
        story = _Story(prediction_id, version.model, self._tell)
        begun = self.downloads.running()
        for repo in dict.fromkeys(each.repo for each in version.weights):
            if repo in begun:
                story.joins(repo, begun[repo])
        getting = asyncio.ensure_future(self.downloads.provide(version, story.goes_on))
        self._waiting[prediction_id] = getting
        try:
            await asyncio.wait([getting])
            if getting.cancelled():
                return None
            provided = getting.result()
            story.ends()
            return provided
        finally:
            getting.cancel()
            self._waiting.pop(prediction_id, None)

    def give_up(self, prediction_id: str) -> None:
        """It waits no longer. What others wait for goes on."""
        if waiting := self._waiting.get(prediction_id):
            waiting.cancel()

    async def stop(self) -> None:
        for each in list(self._waiting.values()):
            each.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.downloads.stop()


class _Story:
    """What one prediction tells of a download: a line and a bar each second; in its log each tenth,
    and whatever holds it up.
    """

    def __init__(
        self, prediction_id: str, model: str, tell: Callable[[Sequence[Event]], None]
    ) -> None:
        self._id = prediction_id
        self._model = model
        self._tell = tell
        self._began = time.monotonic()
        self._logged = -1
        self._noted = ""
        self._total = 0

    def joins(self, repo: str, progress: Progress) -> None:
        line = f"Waiting for a download of {repo} that has begun already: {progress}"
        self._tell([messages.Log(self._id, f"{line}\n")])

    def goes_on(self, progress: Progress) -> None:
        line = f"downloading weights · {progress}"
        events: list[Event] = [messages.Waiting(self._id, line)]
        is_news = progress.note not in ("", self._noted)
        if progress.total:
            self._total = progress.total
            done, total = float(progress.done), float(progress.total)
            events.append(messages.Progress(self._id, done, total, "byte"))
            percent = 100 * progress.done // progress.total // _LOGGED_EVERY * _LOGGED_EVERY
            is_news = is_news or percent > self._logged
            self._logged = max(percent, self._logged)
        if is_news:
            self._noted = progress.note or self._noted
            events.append(messages.Log(self._id, f"Downloading weights: {progress}\n"))
        self._tell(events)

    def ends(self) -> None:
        if self._total:
            took = time.monotonic() - self._began
            line = f"Downloaded the weights of {self._model}: {size(self._total)} in {took:.0f} s."
            self._tell([messages.Log(self._id, f"{line}\n")])
