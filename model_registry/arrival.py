"""One file of a repository on its way into the cache: it goes on from what is there, is tried again
while that is worth it, and is checked by its hash.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx

from errors import CannotDownload
from model_registry.hub import Hub, Trouble
from model_registry.hub_cache import HubCache
from model_registry.listing import HubFile

TRIES = 6
"""How often in a row nothing may arrive."""
_LONGEST_PAUSE = 30.0
_LONGEST_WISH = 600.0
"""Seconds: who is told to come back later than that is told so, and does not sit and wait."""
_LOOK_EVERY = 0.5

Report = Callable[[dict[str, Any]], None]
T = TypeVar("T")


class Tries:
    """Longer and longer ones, the first after `pause` seconds; each is reported."""

    def __init__(self, pause: float, report: Report) -> None:
        self._pause = pause
        self._report = report

    def of(self, do: Callable[[], T], arrived: Callable[[], int] = lambda: 0) -> T:
        """What `do` returns. Whenever more has `arrived` than ever before, they begin anew."""
        tries, most = 0, arrived()
        while True:
            try:
                return do()
            except Trouble as trouble:
                now = arrived()
                tries, most = (0, now) if now > most else (tries + 1, most)
                if tries == TRIES or (trouble.after or 0) > _LONGEST_WISH:
                    raise
                pause = min(_LONGEST_PAUSE, self._pause * 2.0**tries)
                pause = pause if trouble.after is None else trouble.after
                what = str(trouble).partition(". ")[0]
                self._report({"note": f"{what}; trying again in {pause:.0f} s"})
                time.sleep(pause)


class Arrival:
    """`advance` is told how many of the file's bytes are there."""

    def __init__(
        self,
        hub: Hub,
        cache: HubCache,
        repo: str,
        commit: str,
        file: HubFile,
        tries: Tries,
        advance: Callable[[int], None],
    ) -> None:
        self._hub = hub
        self._cache = cache
        self._repo = repo
        self._commit = commit
        self._file = file
        self._tries = tries
        self._advance = advance

    def bring(self) -> None:
        """Returns once it is in its place. Raises `CannotDownload`, `OSError`."""
        with self._held():
            if not self._cache.holds(self._repo, self._file):
                self._load()
                partial = self._cache.partial(self._repo, self._file)
                os.replace(partial, self._cache.blob(self._repo, self._file))
            self._advance(self._file.size)
            self._cache.link(self._repo, self._commit, self._file)

    def _load(self) -> None:
        """All of the file. Damage on the way may be chance once: a second time it is said."""
        for _ in range(2):
            if self._tries.of(self._fill, self._downloaded) == self._file.etag:
                return
            self._cache.partial(self._repo, self._file).unlink()
            self._advance(0)
        raise CannotDownload(
            f"{self._file.path} of {self._repo} has arrived damaged, twice. Something between here "
            "and the Hub changes what it sends, a proxy or a mirror: look to it and run it again."
        )

    def _fill(self) -> str:
        """Appends to the file's beginning until it is whole; what arrives is there at once. The
        hash of it all.
        """
        partial = self._cache.partial(self._repo, self._file)
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab+") as content:
            digest = self._begun(content)
            while content.tell() < self._file.size:
                self._append(content, digest)
        return str(digest.hexdigest())

    def _append(self, content: Any, digest: Any) -> None:
        start, file = content.tell(), self._file
        with self._hub.opened(self._repo, self._commit, file.path, start) as response:
            if not _begins_at(start, response):
                content.truncate(0)
                raise Trouble(
                    f"{file.path} of {self._repo} had to be begun anew too often: it is sent from "
                    "its beginning only. Look to a proxy or a mirror and run it again."
                )
            for chunk in response.iter_bytes():
                content.write(chunk)
                digest.update(chunk)
                content.flush()
                self._advance(content.tell())
                if content.tell() > file.size:  # which its hash will say
                    return
        if content.tell() == start:
            raise Trouble(
                f"{file.path} of {self._repo} is sent without content. Run it again later: what "
                "has been downloaded is kept."
            )

    def _begun(self, content: Any) -> Any:
        """The digest of what is there already; the file is then at its end."""
        if content.tell() > self._file.size:
            content.truncate(0)
        digest = self._file.digest()
        content.seek(0)
        while chunk := content.read(1 << 20):
            digest.update(chunk)
        return digest

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """The file for this process alone. Who else downloads it is waited for, and watched."""
        while True:
            with self._cache.alone([self._cache.lock(self._repo, self._file)]) as held:
                if held:
                    yield
                    return
            self._advance(self._downloaded())
            time.sleep(_LOOK_EVERY)

    def _downloaded(self) -> int:
        return self._cache.downloaded(self._repo, self._commit, self._file)


def _begins_at(start: int, response: httpx.Response) -> bool:
    """Whether it goes on from there, as it was asked to. A server may begin at the beginning."""
    if not start:
        return True
    begins = response.headers.get("Content-Range", f"bytes {start}-")
    return response.status_code == 206 and begins.startswith(f"bytes {start}-")
