"""Downloads one repository's files: `python -m model_registry.fetch`, one request as a line of JSON
on standard input, one line of JSON a report on standard output.

It runs in a process of its own so that ending it is always safe: what has arrived stays, and the
next one goes on from there. It ends by itself when its standard input does.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import httpx

from errors import AtelierError, CannotDownload, disk_is_full
from model_registry.hub import COMMIT, Hub, Trouble
from model_registry.hub_cache import HubCache
from model_registry.listing import HubFile, Listing, choose, is_weights
from model_registry.shelf import Shelf
from model_registry.sizes import size
from model_registry.spec import Weights
from settings import HubSettings

AT_ONCE = 4
TRIES = 6
"""How often in a row nothing may arrive."""
_LONGEST_PAUSE = 30.0
_LONGEST_WISH = 600.0
"""Seconds: who is told to come back later than that is told so, and does not sit and wait."""
MAKE_ROOM = (
    "Remove models on the Models page, or let HF_HOME name a larger disk, and run it again: what "
    "has been downloaded is kept."
)
_REPORT_EVERY = 0.25
_LOOK_EVERY = 0.5

Report = Callable[[dict[str, Any]], None]


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
        self._commit = ""
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self._over = threading.Event()

    def run(self) -> str:
        """The folder in which all files are. Raises `CannotDownload`, `OSError`."""
        listing = self._retried(self._listing)
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

    # --- one file

    def _get(self, file: HubFile) -> None:
        with self._held(file):
            if not self._cache.holds(self._repo, file):
                self._load(file)
                partial = self._cache.partial(self._repo, file)
                os.replace(partial, self._cache.blob(self._repo, file))
            self._advance(file, file.size)
            self._cache.link(self._repo, self._commit, file)

    def _load(self, file: HubFile) -> None:
        """All of the file. Damage on the way may be chance once: a second time it is said."""
        for _ in range(2):
            if self._retried(lambda: self._fill(file), file) == file.etag:
                return
            self._cache.partial(self._repo, file).unlink()
            self._advance(file, 0)
        raise CannotDownload(
            f"{file.path} of {self._repo} has arrived damaged, twice. Something between here and "
            "the Hub changes what it sends, a proxy or a mirror: look to it and run it again."
        )

    def _fill(self, file: HubFile) -> str:
        """Appends to the file's beginning until it is whole; what arrives is there at once. The
        hash of it all.
        """
        partial = self._cache.partial(self._repo, file)
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab+") as content:
            digest = self._begun(content, file)
            while content.tell() < file.size:
                self._append(content, file, digest)
        return str(digest.hexdigest())

    def _append(self, content: Any, file: HubFile, digest: Any) -> None:
        start = content.tell()
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
                self._advance(file, content.tell())
                if content.tell() > file.size:  # which its hash will say
                    return
        if content.tell() == start:
            raise Trouble(
                f"{file.path} of {self._repo} is sent without content. Run it again later: what "
                "has been downloaded is kept."
            )

    def _begun(self, content: Any, file: HubFile) -> Any:
        """The digest of what is there already; the file is then at its end."""
        if content.tell() > file.size:
            content.truncate(0)
        digest = file.digest()
        content.seek(0)
        while chunk := content.read(1 << 20):
            digest.update(chunk)
        return digest

    def _retried(self, do: Callable[[], Any], file: HubFile | None = None) -> Any:
        """What `do` returns, tried again with longer and longer pauses as long as it is worth it:
        whenever more has arrived than ever before, the count begins anew.
        """
        tries, most = 0, self._downloaded(file) if file else 0
        while True:
            try:
                return do()
            except Trouble as trouble:
                now = self._downloaded(file) if file else 0
                tries, most = (0, now) if now > most else (tries + 1, most)
                if tries == TRIES or (trouble.after or 0) > _LONGEST_WISH:
                    raise
                pause = min(_LONGEST_PAUSE, self._settings.pause * 2.0**tries)
                pause = pause if trouble.after is None else trouble.after
                what = str(trouble).partition(". ")[0]
                self._report({"note": f"{what}; trying again in {pause:.0f} s"})
                time.sleep(pause)

    @contextlib.contextmanager
    def _held(self, file: HubFile) -> Iterator[None]:
        """The file for this process alone. Who else downloads it is waited for, and watched."""
        while True:
            with self._cache.alone([self._cache.lock(self._repo, file)]) as held:
                if held:
                    yield
                    return
            self._advance(file, self._downloaded(file))
            time.sleep(_LOOK_EVERY)

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


def _begins_at(start: int, response: httpx.Response) -> bool:
    """Whether it goes on from there, as it was asked to. A server may begin at the beginning."""
    if not start:
        return True
    begins = response.headers.get("Content-Range", f"bytes {start}-")
    return response.status_code == 206 and begins.startswith(f"bytes {start}-")


def _end_with_standard_input() -> None:
    """The app that asked is gone, however it went."""
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 1):
            pass
    os._exit(1)


if __name__ == "__main__":
    main()
