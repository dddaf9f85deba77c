"""What the Hub says: a repository's files at a commit, and their bytes. Blocks; runs in a child or
a thread. Knows no disk.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import httpx

from errors import CannotDownload
from model_registry.listing import HubFile, Listing, pipeline_components
from settings import HubSettings

COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_SMALL = 20_000_000
"""Bytes that a file may have which is read into memory."""


class Hub:
    """Asks one Hub, with a person's token if there is one. Every refusal is a `CannotDownload` that
    says what to do; what may go by itself is a `Trouble`.
    """

    def __init__(self, settings: HubSettings) -> None:
        self._settings = settings
        self._token = settings.token()
        headers = {"User-Agent": "atelier"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT, follow_redirects=True)

    def listing(self, repo: str, revision: str | None = None) -> Listing:
        """What the repository holds at a commit, branch or tag; at `main` without one."""
        address = f"{self._settings.endpoint}/api/models/{repo}/revision/"
        address += quote(revision or "main", safe="")
        with self._asked(repo, revision, address, {"params": {"blobs": "true"}}) as response:
            said = response.read()
        try:
            listing = _listing(repo, json.loads(said))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CannotDownload(
                f"{self._settings.endpoint} does not answer as the Hub does when asked for {repo}. "
                "If this network wants you to log in first, do that in a browser; if HF_ENDPOINT "
                "is set, it has to name a Hub or a mirror of it."
            ) from None
        if any(file.path == "model_index.json" for file in listing.files):
            # What it names besides, its terms may forbid to read: then all folders count.
            try:
                index = json.loads(self.read(repo, listing.commit, "model_index.json"))
                return replace(listing, components=pipeline_components(index))
            except Trouble:  # the listing is kept, so that it must not be half of one
                raise
            except (CannotDownload, ValueError, AttributeError):
                return listing
        return listing

    def read(self, repo: str, commit: str, path: str) -> bytes:
        """A small file. Raises `CannotDownload` for one of more than 20 MB, too."""
        content = bytearray()
        with self.opened(repo, commit, path) as response:
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > _SMALL:
                    raise CannotDownload(f"{path} of {repo} is larger than 20 MB.")
        return bytes(content)

    @contextlib.contextmanager
    def opened(self, repo: str, commit: str, path: str, start: int = 0) -> Iterator[httpx.Response]:
        """A file's bytes from `start` on: check the status, a server may begin at the beginning."""
        address = f"{self._settings.endpoint}/{repo}/resolve/{commit}/{quote(path)}"
        # Compressed on the way, a file could not be gone on with in its middle.
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-"}
        with self._asked(repo, commit, address, {"headers": headers}) as response:
            yield response

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._client.close()

    @contextlib.contextmanager
    def _asked(
        self, repo: str, revision: str | None, address: str, more: Mapping[str, Any]
    ) -> Iterator[httpx.Response]:
        try:
            with self._client.stream("GET", address, **more) as response:
                if not response.is_success:
                    raise self._refusal(repo, revision, address, response)
                yield response
        except httpx.RequestError as error:
            said = str(error) or type(error).__name__
            raise Trouble(
                f"The Hub at {self._settings.endpoint} cannot be reached ({said}). Look to the "
                "network and run it again: what has been downloaded is kept."
            ) from None

    def _refusal(
        self, repo: str, revision: str | None, address: str, response: httpx.Response
    ) -> CannotDownload:
        status, code = response.status_code, response.headers.get("X-Error-Code", "")
        # Where a file lies besides has no say in who may have it: its addresses only expire.
        ours = response.url.host == httpx.URL(self._settings.endpoint).host
        if ours and (code == "GatedRepo" or status == 403):
            page = f"{self._settings.endpoint}/{repo}"
            return CannotDownload(gated(repo, page, bool(self._token)))
        if code == "RevisionNotFound":
            return CannotDownload(
                f"{repo} has no revision {revision}: that must be a branch, a tag, or a commit in "
                "all its 40 digits. If pins.json in the data folder has it, remove that line to "
                "take what is there today; if the model's spec does, it has to name another."
            )
        if code == "EntryNotFound":
            return CannotDownload(f"{address} is not there: the repository has changed.")
        # Of a repository that is not there, it says "Invalid username or password." to strangers.
        said = response.headers.get("X-Error-Message", "")
        if ours and status == 401 and said.startswith("Invalid credentials"):
            return CannotDownload(
                f"The Hub at {self._settings.endpoint} refuses the token of HF_TOKEN. Set it to a "
                "valid one, or to none, and start Atelier again."
            )
        if ours and status in (401, 404):
            known = "The token of HF_TOKEN does not see it." if self._token else "Set HF_TOKEN."
            return CannotDownload(
                f"{repo} does not exist at {self._settings.endpoint}, or it is private. "
                f"Check its name (datasets and Spaces are no models); if it is private: {known}"
            )
        if ours and status < 500 and status not in (408, 429):
            return CannotDownload(f"{address} cannot be had: the Hub answered {status}.")
        after = _pause(response.headers)
        when = "later" if after is None else f"in {after:.0f} seconds"
        return Trouble(
            f"The Hub at {self._settings.endpoint} answered {status} for {repo}. Run it again "
            f"{when}: what has been downloaded is kept.",
            after,
        )


class Trouble(CannotDownload):
    """What another try may mend; `after` is how many seconds the Hub wants to be left in peace."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


def gated(repo: str, page: str, has_token: bool) -> str:
    """What to do where a repository's terms have to be accepted first."""
    accept = f"{repo} is gated: accept its terms at {page} with your account"
    if has_token:
        return f"{accept}, which the token of HF_TOKEN belongs to, and run it again."
    return f"{accept}, set HF_TOKEN to a token of it, and start Atelier again."


def _listing(repo: str, found: Mapping[str, Any]) -> Listing:
    """Without what its `model_index.json` says. Raises whatever where `found` is no answer."""
    commit, called = str(found["sha"]), str(found.get("id") or "")
    if not COMMIT.fullmatch(commit):  # it becomes the name of a folder
        raise ValueError(commit)
    return Listing(
        repo=repo,
        commit=commit,
        files=tuple(_file(each) for each in found.get("siblings", ()) if _is_safe(each)),
        gated=bool(found.get("gated")),
        tags=tuple(map(str, found.get("tags") or ())),
        task=found.get("pipeline_tag"),
        library=found.get("library_name"),
        renamed=called if called != repo and _REPO.fullmatch(called) else "",
    )


def _pause(headers: Mapping[str, str]) -> float | None:
    """The seconds for which the Hub wants to be left in peace: by `RateLimit: "api";r=0;t=55`, as
    it says itself once nothing of what it allows is left, or by `Retry-After`, as others do.
    """
    limit = re.search(r"\br=0;\s*t=(\d+)", headers.get("RateLimit", ""))
    said = limit[1] if limit else headers.get("Retry-After", "")
    return float(said) if said.isdigit() else None


def _file(sibling: Mapping[str, Any]) -> HubFile:
    large = sibling.get("lfs") or {}
    etag = large.get("sha256") or sibling.get("blobId")
    return HubFile(
        sibling["rfilename"], int(large.get("size") or sibling.get("size") or 0), str(etag)
    )


def _is_safe(sibling: Mapping[str, Any]) -> bool:
    """Paths and hashes become names on this disk, so none may lead out of its folder; and what has
    no hash cannot be checked.
    """
    path, etag = str(sibling.get("rfilename", "")), _file(sibling).etag
    parts = PurePosixPath(path).parts
    inside = bool(parts) and ".." not in parts and path[0] != "/" and not set(path) & set("\\\0")
    return inside and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", etag) is not None
