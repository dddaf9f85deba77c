"""Uploads and outputs on disk. Refuses any path outside its root; knows neither HTTP nor
predictions' meaning.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import shutil
import time
import unicodedata
from collections.abc import AsyncIterable, Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sql

from errors import CannotKeep, FileTooLarge, NotFound
from predictions import content_types, keys
from predictions.callers import EVERYBODY, Caller
from predictions.store import Position, Store, new_id
from predictions.tables import StoredFile, predictions
from predictions.tables import files as table

_EXPIRY = 100 * 365 * 86400.0
_RETRY = 0.5
_AT_ONCE = 500


class Files:
    """Files below `root`: `uploads/<id>/<name>` and `outputs/<prediction id>/<name>`. `limit` is in
    bytes, for one upload.
    """

    def __init__(self, root: Path, store: Store, limit: int) -> None:
        self.root = root.resolve()
        self.limit = limit
        self._store = store
        self.root.mkdir(parents=True, exist_ok=True)

    async def save(
        self,
        content: bytes | AsyncIterable[bytes],
        *,
        name: str,
        content_type: str | None = None,
        metadata: dict[str, Any] | None = None,
        prediction_id: str | None = None,
        owner: str = "",
    ) -> StoredFile:
        """Keeps `content` under a new id, whole or not at all. Raises `FileTooLarge`,
        `CannotKeep`.
        """
        file_id, name = new_id(), safe_name(name)
        folder = self.root / "uploads" / file_id
        target = folder / name
        try:
            await asyncio.to_thread(folder.mkdir, parents=True)
            with await asyncio.to_thread(target.open, "wb") as opened:
                digests = await self._write(content, opened)
            file = StoredFile(
                id=file_id,
                name=name,
                content_type=await asyncio.to_thread(content_types.of, target, content_type),
                size=digests.size,
                path=str(target.relative_to(self.root)),
                created_at=time.time(),
                expires_at=time.time() + _EXPIRY,
                md5=digests.md5.hexdigest(),
                sha256=digests.sha256.hexdigest(),
                prediction_id=prediction_id,
                owner=owner,
                metadata=metadata or {},
            )
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise CannotKeep(error.strerror or error) from error
            raise
        try:
            await self._store.add_file(file)
        except Exception:  # who only leaves now leaves a whole file: it may be on record already
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return file

    async def adopt_upload(
        self, path: str | Path, name: str | None = None, owner: str = ""
    ) -> StoredFile:
        """Keeps a copy of a file that the page received. Raises `FileTooLarge`."""
        source = Path(path)

        async def chunks() -> AsyncIterable[bytes]:
            with source.open("rb") as opened:
                while chunk := await asyncio.to_thread(opened.read, 1 << 20):
                    yield chunk

        return await self.save(chunks(), name=name or source.name, owner=owner)

    def outputs_folder(self, prediction_id: str) -> Path:
        """Where the child of a prediction writes its files."""
        return self.root / "outputs" / prediction_id

    def register_output(self, prediction_id: str, path: str, owner: str = "") -> StoredFile:
        """Records a file that a child has written. Raises `NotFound` unless it is a regular file in
        the prediction's own folder.
        """
        target = self._output(prediction_id, path)
        file = StoredFile(
            id=new_id(),
            name=target.name,
            content_type=content_types.of(target, None),
            size=target.stat().st_size,
            path=str(target.relative_to(self.root)),
            created_at=time.time(),
            prediction_id=prediction_id,
            owner=owner,
        )
        self._record(file)
        return file

    def discard_output(self, prediction_id: str, path: str) -> None:
        """Removes one that is not recorded, if it is one."""
        with contextlib.suppress(NotFound, OSError):
            target = self._output(prediction_id, path)
            target.unlink()
            target.parent.rmdir()  # unless there is more

    def _output(self, prediction_id: str, path: str) -> Path:
        folder = self.outputs_folder(prediction_id)
        target = folder / Path(path).name
        if Path(path) != target or target.is_symlink() or not target.is_file():
            raise NotFound("Output file", path)
        return target

    def _record(self, file: StoredFile) -> None:
        def recorded(saved: asyncio.Future[None]) -> None:
            # As with the end of a prediction: what a full disk refuses is offered again.
            if not saved.cancelled() and saved.exception() is not None:
                saved.get_loop().call_later(_RETRY, self._record, file)

        self._store.add_file(file).add_done_callback(recorded)

    async def get(self, reference: str, caller: Caller = EVERYBODY) -> StoredFile:
        """The file with that id, or `<id>/<name>`, as predictions hold it. Raises `NotFound`, also
        for what the caller may not see.
        """
        file = await self._store.get_file(reference.partition("/")[0])
        if file is None or not caller.sees(file.owner):
            raise NotFound("File", reference)
        return file

    def path(self, file: StoredFile) -> Path:
        """Where the bytes lie. Raises `NotFound` if they are gone or if the way leads out of the
        root.
        """
        path = (self.root / file.path).resolve()
        if not path.is_relative_to(self.root) or not path.is_file():
            raise NotFound("File", file.id)
        return path

    async def list(
        self,
        limit: int,
        before: Position | None = None,
        after: Position | None = None,
        caller: Caller = EVERYBODY,
    ) -> tuple[Sequence[StoredFile], Position | None, Position | None]:
        """Uploads, newest first, and the positions where older and newer ones begin."""
        return await self._store.list_uploads(limit, before, after, caller.only)

    async def delete(self, file_id: str) -> None:
        """Raises `NotFound`."""
        file = await self.get(file_id)
        await self._store.delete_file(file.id)
        await asyncio.to_thread(shutil.rmtree, (self.root / file.path).parent, True)

    async def sweep(self, interrupted: Sequence[str]) -> None:
        """Removes what a killed app has left and no record names: uploads, what `interrupted`
        predictions had written, and what predictions were given that were never made. Before
        anything else is written.
        """
        made = sql.exists().where(predictions.c.id == table.c.prediction_id)
        unmade = sql.delete(table).where(table.c.prediction_id.is_not(None), ~made)
        with contextlib.suppress(CannotKeep):  # at the next start, then
            await self._store.write(unmade)
        uploads, outputs = self.root / "uploads", self.root / "outputs"
        names = await asyncio.to_thread(lambda: os.listdir(uploads) if uploads.exists() else [])
        await self._sweep([uploads / name for name in names], table.c.id.in_)
        await self._sweep([outputs / name for name in interrupted], table.c.prediction_id.in_)

    async def _sweep(
        self, folders: Sequence[Path], named: Callable[[Sequence[str]], sql.ColumnElement[bool]]
    ) -> None:
        for start in range(0, len(folders), _AT_ONCE):
            some = folders[start : start + _AT_ONCE]
            which = named([folder.name for folder in some])
            rows = await self._store.read(sql.select(table.c.path).where(which))
            await asyncio.to_thread(_remove_all_but, {self.root / row.path for row in rows}, some)

    async def _write(self, content: bytes | AsyncIterable[bytes], opened: BinaryIO) -> _Digests:
        digests = _Digests()
        if isinstance(content, bytes):
            await asyncio.to_thread(self._write_chunk, content, opened, digests)
        else:
            async for chunk in content:
                await asyncio.to_thread(self._write_chunk, chunk, opened, digests)
        return digests

    def _write_chunk(self, chunk: bytes, opened: BinaryIO, digests: _Digests) -> None:
        digests.size += len(chunk)
        if digests.size > self.limit:
            raise FileTooLarge(None, self.limit)
        digests.md5.update(chunk)
        digests.sha256.update(chunk)
        opened.write(chunk)


class _Digests:
    def __init__(self) -> None:
        self.size = 0
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.sha256 = hashlib.sha256()


class Signer:
    """Signs what must open without a token: stream and download addresses. The key lives in the
    data folder.
    """

    def __init__(self, path: Path) -> None:
        self._key = keys.kept(path, lambda: os.urandom(32))

    def sign(self, text: str) -> str:
        """HMAC-SHA256 over `text`, in standard base64."""
        return base64.b64encode(hmac.digest(self._key, text.encode(), "sha256")).decode()

    def verify(self, text: str, signature: str) -> bool:
        return hmac.compare_digest(self.sign(text).encode(), signature.encode())


def _remove_all_but(kept: set[Path], folders: Sequence[Path]) -> None:
    for folder in folders:
        for file in folder.glob("*"):
            if file not in kept:
                with contextlib.suppress(OSError):
                    file.unlink()
        with contextlib.suppress(OSError):  # it has what is kept, or was never there
            folder.rmdir()


def safe_name(name: str) -> str:
    """The last part of `name` without control characters, at most 200 bytes, its extension kept;
    never empty, `.` or `..`.
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    last = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    stem, dot, extension = last.rpartition(".")
    if not stem:
        stem, dot, extension = last, "", ""
    extension = extension.encode()[:20].decode(errors="ignore")
    stem = stem.encode()[: 200 - len(dot + extension)].decode(errors="ignore")
    cleaned = stem + dot + extension
    return cleaned if cleaned.strip(".") else "file"
