"""Versions that are to be kept loaded, and how many instances of each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from model_registry.spec import Version
from workers.floor import Occupant

KEPT_AGAIN = 60.0
"""Seconds until a version is tried again after it could not be set up."""


@dataclass(frozen=True)
class Reservation:
    """What a deployment asks for: so many instances of a version at least and at most."""

    version: Version
    fewest: int
    most: int


class Reservations:
    """By version: of several for one, the largest numbers hold."""

    def __init__(self, reservations: Iterable[Reservation] = ()) -> None:
        self._reserved: dict[str, Reservation] = {}
        for each in reservations:
            other = self._reserved.get(each.version.id, each)
            fewest, most = max(each.fewest, other.fewest), max(each.most, other.most)
            self._reserved[each.version.id] = Reservation(each.version, fewest, most)
        self._resting: dict[str, float] = {}
        """Versions that could not be set up, and when they are tried again."""

    def __len__(self) -> int:
        return len(self._reserved)

    def __iter__(self) -> Iterator[str]:
        """The versions' ids."""
        return iter(self._reserved)

    def __getitem__(self, version_id: str) -> Reservation:
        return self._reserved[version_id]

    def most(self, version_id: str) -> int:
        """How many instances of a version there may be."""
        reserved = self._reserved.get(version_id)
        return reserved.most if reserved else 1

    def rest(self, version_id: str) -> None:
        """It could not be set up: nothing is due of it for a while."""
        self._resting[version_id] = time.monotonic() + KEPT_AGAIN

    def due(self) -> list[Reservation]:
        """Those of which instances are to be loaded whether anybody waits for them or not."""
        now = time.monotonic()
        return [
            each
            for version_id, each in self._reserved.items()
            if each.fewest and self._resting.get(version_id, 0.0) <= now
        ]

    def pinned(self, occupants: Iterable[Occupant]) -> list[Occupant]:
        """The same occupants; as many of a version as are reserved stay where they are."""
        found = []
        counts: Counter[str] = Counter()
        for occupant in occupants:
            reserved = self._reserved.get(occupant.version)
            if reserved is not None and not occupant.leaving:
                counts[occupant.version] += 1
                pinned = counts[occupant.version] <= reserved.fewest
                occupant = replace(occupant, pinned=pinned)
            found.append(occupant)
        return found
