"""Which weights are on disk, and whose they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from model_registry.downloads import Downloads, Progress
from model_registry.spec import Model


@dataclass(frozen=True)
class Held:
    """A repository on disk, or on its way there. `models` are those that need it. `size` is in
    bytes; `left` is what is still to be downloaded of it, 0 where it is whole. `running` is set
    while it is downloaded.
    """

    repo: str
    size: int
    left: int
    models: tuple[Model, ...]
    running: Progress | None = None


@dataclass(frozen=True)
class Inventory:
    """`others` and `others_size` are repositories that other programs keep in the same place: they
    are no business of ours. `free` is what is left on the disk.
    """

    held: tuple[Held, ...]
    others: int
    others_size: int
    free: int

    @property
    def size(self) -> int:
        return sum(each.size for each in self.held)


def take(models: Iterable[Model], downloads: Downloads) -> Inventory:
    """Looks through the disk: call it in a thread."""
    users: defaultdict[str, dict[str, Model]] = defaultdict(dict)
    left: defaultdict[str, int] = defaultdict(int)
    for model in models:
        for version in model.versions:
            for weights in version.weights:
                users[weights.repo][model.id] = model
                extent = downloads.shelf.extent(weights)
                if extent.here:
                    left[weights.repo] = max(left[weights.repo], extent.left or 0)
    running = downloads.running()
    ours = users.keys() | downloads.shelf.repositories()
    found = {each.repo: each.size for each in downloads.shelf.cache.repositories()}
    held = [
        Held(
            repo,
            found.get(repo, 0),
            left[repo],
            tuple(users[repo].values()) if repo in users else (),
            running.get(repo),
        )
        for repo in (found.keys() & ours) | running.keys()
    ]
    return Inventory(
        held=tuple(sorted(held, key=lambda each: (each.running is None, -each.size, each.repo))),
        others=len(found.keys() - ours),
        others_size=sum(found[repo] for repo in found.keys() - ours),
        free=downloads.shelf.cache.free(),
    )
