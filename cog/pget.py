"""Fetches files for models that call the program of this name, which Cog's images bring along:

    pget [-x] [-f] URL PLACE        pget [-f] multifile MANIFEST

`-x` unpacks a tar or zip archive into a folder, `-f` replaces what is there. A manifest ("-": the
standard input) holds a URL and a place a line. How many connections it may use, and other options
that only a faster program would heed, are taken and not heeded.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from typing import Any

_TIMEOUT = 60.0
"""Seconds without a byte."""
_UNHEEDED = (
    ("-c", "--concurrency"),
    ("-m", "--chunk-size", "--minimum-chunk-size"),
    ("-r", "--retries"),
    ("--max-conn-per-host",),
    ("--max-concurrent-files",),
    ("--connect-timeout",),
    ("--log-level",),
    ("--pid-file",),
)


class NotFetched(Exception):
    """In one sentence, why."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pget", description="Fetches files.", allow_abbrev=False)
    parser.add_argument("given", nargs="+", metavar="URL PLACE")
    parser.add_argument("-x", "--extract", action="store_true")
    parser.add_argument("-f", "--force", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    for names in _UNHEEDED:
        parser.add_argument(*names, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        for url, place in _wanted(options.given):
            began = time.perf_counter()
            _fetch(url, place, options.extract, options.force)
            print(f"pget: {place} in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    except NotFetched as error:
        print(f"pget: {error}", file=sys.stderr)
        return 1
    return 0


def _wanted(given: list[str]) -> list[tuple[str, str]]:
    if len(given) != 2:
        raise NotFetched(f"It takes a URL and a place, not {' '.join(given)!r}.")
    if given[0] != "multifile":
        return [(given[0], given[1])]
    if given[1] == "-":
        lines = sys.stdin.read().splitlines()
    else:
        with open(given[1], encoding="utf-8") as manifest:
            lines = manifest.read().splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    for pair in pairs:
        if len(pair) != 2:
            raise NotFetched(f"A line of the manifest is {pair[0]!r}; write a URL and a place.")
    return [(url, place.strip()) for url, place in pairs]


def _fetch(url: str, place: str, extract: bool, force: bool) -> None:
    if os.path.lexists(place) and not force:
        raise NotFetched(f"{place} is there already; -f replaces it.")
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise NotFetched(f"Atelier runs with --offline. Put what {url} holds at {place}.")
    beside = os.path.dirname(os.path.abspath(place))
    try:
        os.makedirs(beside, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=beside, prefix=".pget-") as half:
            fetched = os.path.join(half, "file")
            _download(url, fetched)
            if extract:
                fetched = _unpacked(fetched, os.path.join(half, "folder"))
            _put(fetched, place)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, ValueError) as error:
        raise NotFetched(f"{url} could not be fetched to {place}: {error}") from None


def _download(url: str, path: str) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "pget"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer, open(path, "wb") as file:
        shutil.copyfileobj(answer, file, 1 << 20)
        told = answer.headers.get("Content-Length")
        if told is not None and file.tell() != int(told):
            raise OSError(f"{file.tell()} of {told} bytes came")


def _unpacked(archive: str, folder: str) -> str:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(folder)
    else:
        # Nothing of it may lie outside of the folder.
        safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        with tarfile.open(archive) as tar:
            tar.extractall(folder, **safely)
    return folder


def _put(fetched: str, place: str) -> None:
    """What is unpacked joins what a folder there holds; anything else takes its place."""
    if os.path.isdir(fetched) and os.path.isdir(place):
        shutil.copytree(fetched, place, symlinks=True, dirs_exist_ok=True)
    else:
        os.replace(fetched, place)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
