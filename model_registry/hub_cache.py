"""Repositories on disk, in the layout of huggingface_hub's cache: what other programs have
downloaded is used here, and they use what is downloaded here.

    models--owner--name/blobs/<etag>              each file once, named by its hash
                        snapshots/<commit>/<path> a link to its blob
                        refs/main                 the commit that `main` was
"""

from __future__ import annotations

import contextlib
import fcntl
import fnmatch
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from errors import InUse
from model_registry.listing import HubFile, is_weights, pipeline_components

PARTIAL = ".atelier.incomplete"
"""Of a blob that is not whole yet. A name of our own: other programs write theirs differently."""
_FOLDER = re.compile(r"models--(.+?)--(.+)")


@dataclass(frozen=True)
class OnDisk:
    """One repository on disk: bytes held in all, and those of them in files not whole yet."""

    repo: str
    size: int
    partial: int


class HubCache:
    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, repo: str) -> Path:
        return self.root / f"models--{repo.replace('/', '--')}"

    def snapshot(self, repo: str, commit: str) -> Path:
        return self.folder(repo) / "snapshots" / commit

    def blob(self, repo: str, file: HubFile) -> Path:
        return self.folder(repo) / "blobs" / file.etag

    def partial(self, repo: str, file: HubFile) -> Path:
        return self.folder(repo) / "blobs" / f"{file.etag}{PARTIAL}"

    def lock(self, repo: str, file: HubFile) -> Path:
        """The file by which huggingface_hub's programs keep out of each other's way, too."""
        return self.root / ".locks" / self.folder(repo).name / f"{file.etag}.lock"

    @contextlib.contextmanager
    def alone(self, locks: Iterable[Path]) -> Iterator[bool]:
        """Holds the locks as long as it is open, unless another holds one: False then."""
        with contextlib.ExitStack() as held:
            yield all(_taken(path, held) for path in locks)

    def has(self, repo: str, commit: str, file: HubFile) -> bool:
        """Whether the file is whole at this commit."""
        with contextlib.suppress(OSError):
            return (self.snapshot(repo, commit) / file.path).stat().st_size == file.size
        return False

    def holds(self, repo: str, file: HubFile) -> bool:
        """Whether the blob is whole: a machine that lost its power may have left half of one."""
        with contextlib.suppress(OSError):
            return self.blob(repo, file).stat().st_size == file.size
        return False

    def downloaded(self, repo: str, commit: str, file: HubFile) -> int:
        """Bytes of a file that need not be downloaded any more."""
        if self.has(repo, commit, file) or self.holds(repo, file):
            return file.size
        with contextlib.suppress(OSError):
            return min(file.size, self.partial(repo, file).stat().st_size)
        return 0

    def link(self, repo: str, commit: str, file: HubFile) -> None:
        """Shows a whole blob at its path in the snapshot. Where links are refused, it is moved."""
        pointer = self.snapshot(repo, commit) / file.path
        pointer.parent.mkdir(parents=True, exist_ok=True)
        blob = self.blob(repo, file)
        fresh = pointer.with_name(f"{pointer.name}.new")
        fresh.unlink(missing_ok=True)
        try:
            os.symlink(os.path.relpath(blob, pointer.parent), fresh)
        except OSError:
            os.replace(blob, fresh)
        os.replace(fresh, pointer)

    # --- what other programs have left

    def main(self, repo: str) -> str | None:
        """The commit that was `main` when somebody last downloaded from it."""
        with contextlib.suppress(OSError):
            return (self.folder(repo) / "refs" / "main").read_text().strip() or None
        return None

    def set_main(self, repo: str, commit: str) -> None:
        refs = self.folder(repo) / "refs"
        refs.mkdir(parents=True, exist_ok=True)
        (refs / "main").write_text(commit)

    def seems_whole(self, repo: str, commit: str, patterns: Sequence[str] = ()) -> bool:
        """Whether a snapshot can be used as it is when nobody can say what belongs to it: it has
        weights, or a file for each pattern; none of its links leads nowhere, and nothing that its
        indexes name is missing.
        """
        snapshot = self.snapshot(repo, commit)
        files = [path for path in snapshot.rglob("*") if not path.is_dir()]
        if not files or not all(path.exists() for path in files):
            return False
        paths = [path.relative_to(snapshot).as_posix() for path in files]
        if patterns:
            return all(fnmatch.filter(paths, pattern) for pattern in patterns)
        named = (index.parent / name for index in files for name in _named(index))
        return any(map(is_weights, paths)) and all(map(Path.exists, named))

    def size(self, repo: str) -> int:
        """Bytes that a repository holds on disk, all its revisions."""
        return sum(_size(path) for path in self.folder(repo).rglob("*") if not path.is_dir())

    # --- what there is, and its end

    def repositories(self) -> list[OnDisk]:
        """Everything that is on disk, largest first."""
        found = []
        for folder in self.root.glob("models--*"):
            named = _FOLDER.fullmatch(folder.name)
            if named is None:
                continue
            sizes = {path: _size(path) for path in folder.rglob("*") if not path.is_dir()}
            partial = sum(size for path, size in sizes.items() if path.name.endswith(PARTIAL))
            if sizes:
                found.append(OnDisk("/".join(named.groups()), sum(sizes.values()), partial))
        return sorted(found, key=lambda each: -each.size)

    def remove(self, repo: str) -> None:
        """Removes a repository, all its revisions. What a model has loaded already stays loaded.
        Raises `InUse` while any program downloads it.
        """
        folder, locks = self.folder(repo), self.root / ".locks" / self.folder(repo).name
        if folder.is_symlink():
            raise InUse(
                f"{folder} is a link to {folder.resolve()}, which others may use, too. Remove both "
                "by hand."
            )
        with self.alone(locks.glob("*.lock")) as held:
            if not held:
                raise InUse(f"{repo} is downloaded by another program. Wait for it, or end it.")
            # The links first: at no moment does a snapshot look whole that is not.
            for part in ("snapshots", "refs", "."):
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(folder / part)
            shutil.rmtree(locks, ignore_errors=True)

    def free(self) -> int:
        """Bytes left on the disk where weights go."""
        place = self.root
        while not place.exists() and place != place.parent:
            place = place.parent
        return shutil.disk_usage(place).free


def _taken(path: Path, held: contextlib.ExitStack) -> bool:
    """Whether the lock is this process's now, until `held` is closed."""
    # Who removes the repository removes its locks: one that is gone holds nobody back.
    with contextlib.suppress(BlockingIOError, FileNotFoundError):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = held.enter_context(path.open("a"))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    return False


def _named(index: Path) -> set[str]:
    """The files and folders beside it that an index of shards or of a pipeline names."""
    with contextlib.suppress(OSError, ValueError, KeyError, AttributeError):
        if index.name.endswith(".index.json"):
            return set(json.loads(index.read_text())["weight_map"].values())
        if index.name == "model_index.json":
            return set(pipeline_components(json.loads(index.read_text())))
    return set()


def _size(path: Path) -> int:
    """Of the file itself; a link weighs nothing."""
    with contextlib.suppress(OSError):
        return 0 if path.is_symlink() else path.stat().st_size
    return 0
