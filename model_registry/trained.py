"""Versions that trainings have made: the code of their parent with weights of their own.

Everything lies below one folder and is named by its content: `versions/<id>.json` what they are,
`weights/<sha256>/<name>` what they are run with, `code/<version id>/` a copy of the code, since the
folder of a parent may be edited or go.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from errors import BrokenModel
from model_registry.folder_copy import copy
from model_registry.spec import Origin, Version

_decoder = msgspec.json.Decoder(Version)


class TrainedVersions:
    """All methods block. What is half written when the process ends is not there afterwards."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writing = threading.Lock()

    def read(self) -> Iterator[Version | BrokenModel]:
        """Those that were kept, and what there is instead of one that cannot be read."""
        for path in sorted(self._folder.glob("versions/*.json")):
            try:
                version = _decoder.decode(path.read_bytes())
            except (OSError, msgspec.MsgspecError) as error:
                yield BrokenModel(str(path), f"this trained version cannot be read: {error}.")
            else:
                yield self._placed(version)

    def keep_code(self, version: Version) -> bool:
        """Copies the code of a version that is to be trained; False if it is here already. Raises
        `BrokenModel`, `InvalidRequest` as `folder_copy.copy` does.
        """
        target, source = self._code_of(version), Path(version.code.folder)
        with self._writing:
            if target.exists():
                return False
            fresh = target.with_name(f"{target.name}.{os.getpid()}")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.parent.mkdir(parents=True, exist_ok=True)
            copy(source, fresh, version.model)
            os.rename(fresh, target)
            return True

    def forget_code(self, version: Version) -> None:
        """Removes a copy that is not what the version's id names."""
        shutil.rmtree(self._code_of(version), ignore_errors=True)

    def keep(
        self, parent: Version, destination: str, weights: Path, origin: Origin, now: float
    ) -> Version:
        """The version of `destination` that `parent`'s code is with these weights. The same weights
        of the same parent are the same version, whichever training gave them first.
        """
        digest = _digest(weights)
        with self._writing:
            return self._keep(parent, destination, weights, digest, origin, now)

    def _keep(
        self,
        parent: Version,
        destination: str,
        weights: Path,
        digest: str,
        origin: Origin,
        now: float,
    ) -> Version:
        kept = self._folder / "weights" / digest / weights.name
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            _place(weights, kept)
        version_id = hashlib.sha256(f"{destination}\n{parent.id}\n{digest}".encode()).hexdigest()
        record = self._folder / "versions" / f"{version_id}.json"
        if record.exists():
            return self._placed(_decoder.decode(record.read_bytes()))
        code = replace(
            parent.code,
            folder=str(self._code_of(parent).relative_to(self._folder)),
            weights=str(kept.relative_to(self._folder)),
        )
        version = replace(
            parent, id=version_id, model=destination, created_at=now, code=code, origin=origin
        )
        record.parent.mkdir(parents=True, exist_ok=True)
        fresh = record.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(msgspec.json.encode(version))
        os.replace(fresh, record)
        return self._placed(version)

    def remove(self, version: Version) -> None:
        """Forgets a version, and its weights where no other has them."""
        (self._folder / "versions" / f"{version.id}.json").unlink(missing_ok=True)
        others = {each.code.weights for each in self.read() if isinstance(each, Version)}
        weights = version.code.weights
        if weights is not None and weights not in others:
            Path(weights).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Removes what no version is made of. Not while anything is trained or deleted."""
        for path in self._folder.glob("versions/*"):
            if path.suffix != ".json":  # half a record
                path.unlink(missing_ok=True)
        versions = list(self.read())
        if any(isinstance(each, BrokenModel) for each in versions):
            return  # nobody can say what that one needs
        used = {Path(each.code.folder) for each in versions if isinstance(each, Version)}
        used |= {Path(each.code.weights or "") for each in versions if isinstance(each, Version)}
        for path in (*self._folder.glob("code/*"), *self._folder.glob("weights/*/*")):
            if path not in used:
                _remove(path)
        for folder in self._folder.glob("weights/*"):
            with contextlib.suppress(OSError):  # it has weights
                folder.rmdir()

    def _code_of(self, version: Version) -> Path:
        """Where the code of a version lies; that of a trained one lies with its first parent's."""
        folder = Path(version.code.folder)
        own = self._folder / "code"
        return folder if folder.parent == own else own / version.id

    def _placed(self, version: Version) -> Version:
        """A record names places below the folder, so that the data can be moved."""
        code = replace(
            version.code,
            folder=str(self._folder / version.code.folder),
            weights=str(self._folder / (version.code.weights or "")),
        )
        return replace(version, code=code)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as opened:
        while chunk := opened.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _place(source: Path, target: Path) -> None:
    """Linked where the file system can: weights are large."""
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        os.link(source, fresh)
    except OSError:
        shutil.copyfile(source, fresh)
    os.replace(fresh, target)
