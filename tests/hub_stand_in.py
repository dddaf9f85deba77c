"""A local stand-in for the Hub: serves folders as repositories over the Hub's own protocol.

It answers what `huggingface_hub` asks for a download: a repository's state at a revision with the
sizes of its files, its tree, and each file by HEAD and GET with Range, ETag, `X-Repo-Commit` and,
for large files, `X-Linked-Etag` and `X-Linked-Size`. A repository can be gated; bytes can be served
slowly and be cut off, and what was served is counted.

    with hub({"owner/name": folder}) as stand_in:
        … HF_ENDPOINT=stand_in.address …
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = 100_000
"""From this size on a file counts as one of Git LFS, as weights do on the Hub."""
_CHUNK = 1 << 14
_API = re.compile(r"/api/models/([^/]+/[^/]+?)(?:/(revision|tree)/([^/]+)(?:/(.*))?)?")
_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repository:
    """`pipeline_tag`, `library_name` and `tags` are what the Hub knows besides the files. `token`,
    if set, is who has accepted the terms of a gated repository.
    """

    folder: Path
    pipeline_tag: str | None = None
    library_name: str | None = None
    tags: tuple[str, ...] = ()
    token: str | None = None

    @property
    def commit(self) -> str:
        digest = hashlib.sha1()
        for name, path in self.files().items():
            digest.update(f"{name}:{_hash(path)}\n".encode())
        return digest.hexdigest()

    def files(self) -> dict[str, Path]:
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path for path in found}


@dataclass
class StandIn:
    """`renamed` has what repositories were called before; `seconds_per_chunk` slows down what is
    served; while `broken` is set, connections are cut in the middle of a file; `served` counts the
    bytes of each file, `requests` what was asked.
    """

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    seconds_per_chunk: float = 0.0
    broken: bool = False
    served: Counter[str] = field(default_factory=Counter)
    requests: list[str] = field(default_factory=list)
    flowing: threading.Event = field(default_factory=threading.Event)
    """Cleared, no byte of a large file flows: a download stands still until it is set again."""
    stops_at: float = float("inf")
    """Bytes served in all at which `flowing` is cleared by itself, once."""

    def environment(self) -> dict[str, str]:
        """What a process must be told to take this for the Hub."""
        return {
            "HF_ENDPOINT": self.address,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }


@contextlib.contextmanager
def hub(repositories: Mapping[str, Repository | Path]) -> Iterator[StandIn]:
    """Serves the repositories on a free port of this machine."""
    stand_in = StandIn(
        repositories={
            name: each if isinstance(each, Repository) else Repository(each)
            for name, each in repositories.items()
        }
    )
    stand_in.flowing.set()

    class Handler(_Handler):
        hub = stand_in

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stand_in.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.flowing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: StandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with contextlib.suppress(ConnectionError):
            self._answer()

    do_HEAD = do_GET

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path)
        self.hub.requests.append(f"{self.command} {path}")
        if (asked := _API.fullmatch(path)) is not None:
            repo, kind, revision, below = asked.groups()
            if (now := self.hub.renamed.get(repo)) is not None:
                self._redirect(self.path.replace(f"/{repo}", f"/{now}", 1))
                return
            repository = self._repository(repo, revision, gated=False)
            if repository and kind == "tree":
                recursive = parse_qs(address.query).get("recursive", ["false"])[0]
                self._json(_tree(repository, below or "", recursive.lower() in ("true", "1")))
            elif repository:
                self._json(_described(repo, repository))
        elif (asked := _RESOLVE.fullmatch(path)) is not None:
            repo, revision, name = asked.groups()
            if repository := self._repository(repo, revision, gated=True):
                self._file(repo, repository, name)
        else:
            self._refuse(404, "EntryNotFound", f"nothing is at {path}")

    def _repository(self, repo: str, revision: str | None, gated: bool) -> Repository | None:
        repository = self.hub.repositories.get(repo)
        if repository is None:
            self._refuse(404, "RepoNotFound", "Repository not found")
        elif revision not in (None, "main", repository.commit):
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif gated and repository.token not in (None, self._token()):
            reason = f"Access to model {repo} is restricted. You must have access to it."
            self._refuse(401 if not self._token() else 403, "GatedRepo", reason)
        else:
            return repository
        return None

    def _token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _file(self, repo: str, repository: Repository, name: str) -> None:
        path = repository.files().get(name)
        if path is None:
            self._refuse(404, "EntryNotFound", f"{name} is not there", repository.commit)
            return
        size, digest = path.stat().st_size, _hash(path)
        first, last = self._range(size)
        self.send_response(206 if self.headers.get("Range") else 200)
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("ETag", f'"{digest if size >= LARGE else _git_hash(path)}"')
        self.send_header("Accept-Ranges", "bytes")
        if size >= LARGE:
            self.send_header("X-Linked-Etag", f'"{digest}"')
            self.send_header("X-Linked-Size", str(size))
        if self.headers.get("Range"):
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if self.command == "GET":
            self._send(f"{repo}/{name}", path, first, last)

    def _range(self, size: int) -> tuple[int, int]:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None:
            return 0, size - 1
        return int(asked[1]), min(int(asked[2]), size - 1) if asked[2] else size - 1

    def _send(self, name: str, path: Path, first: int, last: int) -> None:
        left = last - first + 1
        large = path.stat().st_size >= LARGE
        with path.open("rb") as file:
            file.seek(first)
            while left > 0:
                if large:
                    if self.hub.served.total() >= self.hub.stops_at:
                        self.hub.stops_at = float("inf")
                        self.hub.flowing.clear()
                    self.hub.flowing.wait()
                    time.sleep(self.hub.seconds_per_chunk)
                    if self.hub.broken:
                        self.close_connection = True
                        return
                chunk = file.read(min(_CHUNK, left))
                self.wfile.write(chunk)
                self.hub.served[name] += len(chunk)
                left -= len(chunk)

    def _redirect(self, to: str) -> None:
        self.send_response(307)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str, reason: str, commit: str = "") -> None:
        body = json.dumps({"error": reason}).encode()
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", reason)
        if commit:
            self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _described(repo: str, repository: Repository) -> dict[str, Any]:
    config = repository.folder / "config.json"
    described = {
        "id": repo,
        "modelId": repo,
        "author": repo.partition("/")[0],
        "sha": repository.commit,
        "private": False,
        "disabled": False,
        "gated": "manual" if repository.token is not None else False,
        "downloads": 1,
        "likes": 0,
        "tags": list(repository.tags),
        "createdAt": "2026-01-01T00:00:00.000Z",
        "lastModified": "2026-01-01T00:00:00.000Z",
        "siblings": [
            {"rfilename": name, "size": path.stat().st_size, **_identity(path)}
            for name, path in repository.files().items()
        ],
    }
    if repository.pipeline_tag:
        described["pipeline_tag"] = repository.pipeline_tag
    if repository.library_name:
        described["library_name"] = repository.library_name
    if config.is_file():
        with contextlib.suppress(ValueError):  # the Hub takes what it cannot read, too
            described["config"] = json.loads(config.read_text())
    return described


def _tree(repository: Repository, below: str, recursive: bool) -> list[dict[str, Any]]:
    """The files below a folder; the folders in it too where the listing does not descend."""
    prefix = f"{below.strip('/')}/" if below else ""
    entries: dict[str, dict[str, Any]] = {}
    for name, path in repository.files().items():
        if not name.startswith(prefix):
            continue
        rest = name.removeprefix(prefix)
        if "/" in rest and not recursive:
            folder = prefix + rest.partition("/")[0]
            entries[folder] = {"type": "directory", "path": folder, "oid": "0" * 40, "size": 0}
            continue
        identity = _identity(path)
        entry = {"type": "file", "path": name, "size": path.stat().st_size}
        entries[name] = {**entry, "oid": identity["blobId"]}
        if "lfs" in identity:
            entries[name]["lfs"] = {**identity["lfs"], "oid": identity["lfs"]["sha256"]}
    return list(entries.values())


def _identity(path: Path) -> dict[str, Any]:
    size, digest = path.stat().st_size, _hash(path)
    if size < LARGE:
        return {"blobId": _git_hash(path)}
    # Git itself has a pointer to it only, whose hash is of no use.
    return {"blobId": digest[:40], "lfs": {"sha256": digest, "size": size, "pointerSize": 130}}


def _git_hash(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


_hashes: dict[tuple[str, int, int], str] = {}


def _hash(path: Path) -> str:
    state = path.stat()
    key = (str(path), state.st_size, state.st_mtime_ns)
    if key not in _hashes:
        _hashes[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return _hashes[key]
