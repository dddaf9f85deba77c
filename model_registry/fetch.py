"""Downloads one repository's files: `python -m model_registry.fetch`, one request as a line of JSON
on standard input, one line of JSON a report on standard output.

It runs in a process of its own so that ending it is always safe: what has arrived stays, and the
next one goes on from there. It ends by itself when its standard input does.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from errors import AtelierError, CannotDownload, disk_is_full
from model_registry.arrival import Arrival, Report, Tries
from model_registry.hub import COMMIT, Hub
from model_registry.hub_cache import HubCache
from model_registry.listing import HubFile, Listing, choose, is_weights
from model_registry.shelf import Shelf
from model_registry.sizes import size
from model_registry.spec import Weights
from settings import HubSettings

AT_ONCE = 4
MAKE_ROOM = (
    "Remove models on the Models page, or let HF_HOME name a larger disk, and run it again: what "
    "has been downloaded is kept."
)
_REPORT_EVERY = 0.25


def main() -> None:
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    writing = threading.Lock()

    def report(said: dict[str, Any]) -> None:
        with writing:
            print(json.dumps(said), flush=True)

    asked = request["settings"]
    settings = HubSettings(
        cache=Path(asked["cache"]),
        endpoint=asked["endpoint"],
        given_token=asked["token"],
        pause=asked["pause"],
        reserve=asked["reserve"],
    )
    weights = Weights("", request["repo"], request["revision"], tuple(request["files"]))
    try:
        report({"folder": Fetch(weights, Path(request["data"]), settings, report).run()})
    except AtelierError as error:
        report({"failed": str(error)})
    except OSError as error:
        reason = f"{error.strerror or error}."
        if disk_is_full(error):
            reason = f"the disk is full. {MAKE_ROOM}"
        report({"failed": f"{weights.repo} cannot be kept in {settings.cache}: {reason}"})
    os._exit(0)  # other files may still be arriving


def request(weights: Weights, data: Path, cache: Path, settings: HubSettings) -> str:
    """The line that asks for `weights`. It goes over standard input: it has the token in it."""
    asked = {
        "cache": str(cache), "endpoint": settings.endpoint, "token": settings.token(),
        "pause": settings.pause, "reserve": settings.reserve,
    }  # fmt: skip
    line = {
        "repo": weights.repo, "revision": weights.revision, "files": weights.files,
        "data": str(data), "settings": asked,
    }  # fmt: skip
    return json.dumps(line) + "\n"


class Fetch:
    """Reports `{"total": bytes, "done": bytes}` once it knows, `{"done": bytes}` as it goes on,
    `{"note": what}` while it waits for better times, and `{"failed": why}` where it is to be ended
    from outside.
    """

    def __init__(self, weights: Weights, data: Path, settings: HubSettings, report: Report) -> None:
        assert settings.cache is not None
        self._weights = weights
        self._repo = weights.repo
        self._cache = HubCache(settings.cache)
        self._shelf = Shelf(data, self._cache)
        self._hub = Hub(settings)
        self._settings = settings
        self._report = report
        self._tries = Tries(settings.pause, report)
        self._commit = ""
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self._over = threading.Event()

    def run(self) -> str:
        """The folder in which all files are. Raises `CannotDownload`, `OSError`."""
        listing = self._tries.of(self._listing)
        self._commit = listing.commit
        files = choose(listing, self._weights.files)
        self._check_named(files)
        self._done = {file.etag: self._downloaded(file) for file in files}
        total = sum({file.etag: file.size for file in files}.values())
        self._report({"total": total, "done": self._so_far()})
        self._check_disk(total - self._so_far())
        threading.Thread(target=self._report_on, daemon=True).start()
        try:
            self._get_all(self._lacking(files))
        finally:
            self._over.set()
        if self._lacking(files):
            raise CannotDownload(f"{self._repo} was removed meanwhile. Run it again.")
        self._report({"done": total})
        return str(self._cache.snapshot(self._repo, self._commit))

    def _lacking(self, files: Sequence[HubFile]) -> list[HubFile]:
        return [file for file in files if not self._cache.has(self._repo, self._commit, file)]

    def _get_all(self, files: Sequence[HubFile]) -> None:
        # Not waited for when one fails: the process is about to end.
        threads = ThreadPoolExecutor(AT_ONCE)
        for each in as_completed([threads.submit(self._get, file) for file in files]):
            each.result()

    def _listing(self) -> Listing:
        """What to download. From here on the commit is pinned: what goes on after an interruption
        goes on with the same files, whatever `main` is by then.
        """
        commit = self._shelf.commit(self._weights)
        known = self._shelf.listing(self._repo, commit) if commit else None
        if known is None:
            known = self._asked(commit)
            self._shelf.keep(known)
        if self._weights.revision is None:
            pinned = self._shelf.pin(self._repo, known.commit)
            if pinned != known.commit:  # another download was first
                return self._listing()
            if self._cache.main(self._repo) is None:
                self._cache.set_main(self._repo, pinned)
        return known

    def _asked(self, commit: str | None) -> Listing:
        # What somebody has of this repository already is as good as what is newest.
        here = self._cache.main(self._repo) if commit is None else None
        if here and COMMIT.fullmatch(here):
            with contextlib.suppress(CannotDownload):
                return self._hub.listing(self._repo, here)
        return self._hub.listing(self._repo, commit)

    def _check_named(self, files: Sequence[HubFile]) -> None:
        """What is named without a wildcard has to be there, and some weights in any case."""
        paths = {file.path for file in files}
        named = self._weights.files
        lacking = [each for each in named if each not in paths and not set(each) & set("*?[")]
        if not lacking and (files if named else any(map(is_weights, paths))):
            return
        wanted = ", ".join(lacking or named) or "weights in a format that is taken unasked"
        raise CannotDownload(
            f"{self._repo} has no {wanted}. Name what to download under `files` in the spec."
        )

    def _check_disk(self, needed: int) -> None:
        free = self._cache.free()
        if needed > free - self._settings.reserve:
            raise CannotDownload(
                f"{self._repo} needs {size(needed)} more on the disk of {self._cache.root}, where "
                f"{size(free)} are left ({size(self._settings.reserve)} are kept free). Remove "
                "models on the Models page, or let HF_HOME name a larger disk."
            )

    def _get(self, file: HubFile) -> None:
        advance = functools.partial(self._advance, file)
        Arrival(
            self._hub, self._cache, self._repo, self._commit, file, self._tries, advance
        ).bring()

    def _downloaded(self, file: HubFile) -> int:
        return self._cache.downloaded(self._repo, self._commit, file)

    def _advance(self, file: HubFile, done: int) -> None:
        with self._lock:
            self._done[file.etag] = done

    def _so_far(self) -> int:
        with self._lock:
            return sum(self._done.values())

    def _report_on(self) -> None:
        """At its own pace, so that the last bytes before a standstill are reported as well."""
        reported = -1
        while not self._over.wait(_REPORT_EVERY):
            if (done := self._so_far()) != reported:
                self._report({"done": done})
                reported = done
            # It had room when it began: something else fills the disk, and the database needs it.
            if (free := self._cache.free()) < self._settings.reserve // 2:
                root = self._cache.root
                failed = f"Only {size(free)} are left on the disk of {root}. {MAKE_ROOM}"
                self._report({"failed": failed})


def _end_with_standard_input() -> None:
    """The app that asked is gone, however it went."""
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 1):
            pass
    os._exit(1)


if __name__ == "__main__":
    main()
