"""What this machine knows of the Hub's repositories without asking: which commit is meant, which
files belong to it, and which of them are on disk.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from model_registry.half_written import put
from model_registry.hub_cache import HubCache
from model_registry.ledger import Ledger
from model_registry.listing import HubFile, Listing, choose
from model_registry.spec import Weights


@dataclass(frozen=True)
class Extent:
    """How much there is to have, and how much of it is here, in bytes. `total` is what the spec
    says where no listing does, None where neither does.
    """

    total: int | None
    here: int

    @property
    def left(self) -> int | None:
        return None if self.total is None else max(0, self.total - self.here)


class Shelf:
    """`data` holds the pins (`pins.json`) and the listings (`hub/`), `cache` the files."""

    def __init__(self, data: Path, cache: HubCache) -> None:
        self.cache = cache
        self._pins = Ledger(data / "pins.json")
        self._listings = data / "hub"

    def commit(self, weights: Weights) -> str | None:
        """What the spec says, else what the first download here has pinned."""
        pinned = weights.revision or self._pins.get(weights.repo)
        return None if pinned is None else str(pinned)

    def pin(self, repo: str, commit: str) -> str:
        """Pins the commit, unless one is pinned already; the one that is."""
        return str(self._pins.settle(repo, commit))

    def repositories(self) -> set[str]:
        """All that was ever downloaded here."""
        listed = (path.name.partition("@")[0] for path in self._listings.glob("*@*.json"))
        return {*self._pins.all(), *(name.replace("--", "/", 1) for name in listed)}

    def listing(self, repo: str, commit: str) -> Listing | None:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return Listing.from_json(self._listing_file(repo, commit).read_text())
        return None

    def keep(self, listing: Listing) -> None:
        path = self._listing_file(listing.repo, listing.commit)
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, listing.as_json())

    def files(self, weights: Weights) -> tuple[str, tuple[HubFile, ...]] | None:
        """The commit and the files that belong to the weights; None before the Hub was asked."""
        commit = self.commit(weights)
        listing = self.listing(weights.repo, commit) if commit else None
        return None if listing is None else (listing.commit, choose(listing, weights.files))

    def folder(self, weights: Weights, offline: bool) -> str | None:
        """Where the weights lie, None where something of them is missing. Offline, when nobody can
        say what belongs to them, what another program has downloaded is taken if it seems whole.
        """
        repo, known = weights.repo, self.files(weights)
        if known is not None:
            commit, files = known
            whole = bool(files) and all(self.cache.has(repo, commit, file) for file in files)
            return str(self.cache.snapshot(repo, commit)) if whole else None
        found = self.commit(weights) or self.cache.main(repo)
        if offline and found and self.cache.seems_whole(repo, found, weights.files):
            if weights.revision is None:
                self.pin(repo, found)
            return str(self.cache.snapshot(repo, found))
        return None

    def extent(self, weights: Weights) -> Extent:
        known = self.files(weights)
        if known is None:
            # What another program has left is very likely what is wanted.
            return Extent(weights.size, min(self.cache.size(weights.repo), weights.size or 0))
        commit, listed = known
        files = {file.etag: file for file in listed}.values()  # the same content comes once
        here = sum(self.cache.downloaded(weights.repo, commit, file) for file in files)
        return Extent(sum(file.size for file in files), here)

    def _listing_file(self, repo: str, commit: str) -> Path:
        return self._listings / f"{repo.replace('/', '--')}@{commit}.json"
