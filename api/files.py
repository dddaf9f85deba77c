"""Files over HTTP: uploads and what is known of them, and the bytes of every file."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from api.authentication import caller_of
from api.bodies import answer, bounded
from api.errors import InvalidBody
from api.links import LinkMaker, Links
from api.pagination import PAGE_SIZE, cursor, page
from api.rendering import timestamp
from errors import FileTooLarge, InvalidRequest, NotFound, Problem
from predictions.content_types import OCTETS
from predictions.files import Files as StoredFiles
from predictions.files import Signer
from predictions.tables import StoredFile

_CHUNK = 1 << 20

# Room for the other parts of an upload beside the file.
_FORM_MARGIN = 1 << 20

_CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(?:;[\x20-\x7e]*)?", re.ASCII)
_RANGES = re.compile(
    r"bytes=\s*(?:\d{1,18}-\d{0,18}|-\d{1,18})(?:\s*,\s*(?:\d{1,18}-\d{0,18}|-\d{1,18}))*\s*",
    re.ASCII,
)
_FIRST_AND_LAST = re.compile(r"(\d+)-(\d+)", re.ASCII)
_KEYS = re.compile(r"\[([^\[\]]+)\]")


class Files:
    def __init__(self, files: StoredFiles, signer: Signer, link_maker: LinkMaker) -> None:
        self._files = files
        self._signer = signer
        self._link_maker = link_maker

    async def upload(self, request: Request) -> Response:
        form = await self._form(request)
        try:
            content = form.get("content")
            if not isinstance(content, UploadFile):
                raise InvalidBody(
                    Problem("content", "required", "a file part named content is required")
                )
            stored = await self._files.save(
                chunks_of(content),
                name=_field(form, "filename") or content.filename or "",
                content_type=_field(form, "type") or content.content_type,
                metadata=await _metadata(form),
                owner=caller_of(request).owner,
            )
        finally:
            await form.close()
        return answer(_rendered(stored, self._link_maker.links(request)), 201)

    async def get(self, request: Request) -> Response:
        stored = await self._files.get(request.path_params["id"], caller_of(request))
        return answer(_rendered(stored, self._link_maker.links(request)))

    async def list(self, request: Request) -> Response:
        links = self._link_maker.links(request)
        before, after = cursor(request)
        stored, older, newer = await self._files.list(PAGE_SIZE, before, after, caller_of(request))
        results = [_rendered(each, links) for each in stored]
        return answer(page(results, older, newer, request, f"{links.base}/v1/files"))

    async def delete(self, request: Request) -> Response:
        file_id = request.path_params["id"]
        stored = await self._files.get(file_id, caller_of(request))
        if stored.prediction_id is not None:
            raise NotFound("File", file_id)
        await self._files.delete(file_id)
        return Response(status_code=204)

    async def download(self, request: Request) -> Response:
        """An upload's bytes, for whoever shows a signature that has not expired."""
        file_id, query = request.path_params["id"], request.query_params
        owner, expiry = query.get("owner", ""), query.get("expiry", "")
        # A `+` that was not escaped arrives as a space.
        signature = query.get("signature", "").replace(" ", "+")
        genuine = self._signer.verify(f"{owner} {file_id} {expiry}", signature)
        if not genuine or not expiry.isdecimal() or int(expiry) < time.time():
            raise NotFound("File", file_id)
        return await self._bytes(await self._files.get(file_id))

    async def output(self, request: Request) -> Response:
        """A file's bytes, for whoever knows its unguessable id."""
        stored = await self._files.get(request.path_params["id"])
        if stored.name != request.path_params["name"]:
            raise NotFound("File", stored.id)
        return await self._bytes(stored)

    async def _bytes(self, stored: StoredFile) -> Response:
        path = await asyncio.to_thread(self._files.path, stored)
        # Stored types come from clients and models: nothing else may get into a header.
        content_type = (
            stored.content_type if _CONTENT_TYPE.fullmatch(stored.content_type) else OCTETS
        )
        headers = {
            "Cache-Control": "private, max-age=3600",
            "X-Content-Type-Options": "nosniff",
            # A model's HTML must not act as this page.
            "Content-Security-Policy": "sandbox",
        }
        return _FileResponse(
            path,
            headers=headers,
            media_type=content_type,
            filename=stored.name,
            content_disposition_type="inline",
        )

    async def _form(self, request: Request) -> FormData:
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise InvalidBody(
                Problem(
                    "content", "required", "send multipart/form-data with a file part named content"
                )
            )
        limit = self._files.limit
        chunks = bounded(request, limit + _FORM_MARGIN, FileTooLarge(None, limit))
        try:
            return await MultiPartParser(
                request.headers, chunks, max_files=10, max_fields=100
            ).parse()
        except (MultiPartException, UnicodeError) as error:
            raise InvalidRequest(f"The form cannot be read: {error}") from None


class _FileResponse(FileResponse):
    """Takes a `Range` that cannot be read for none, as HTTP has it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope).get("range", "")
        if not _RANGES.fullmatch(asked) or any(
            int(first) > int(last) for first, last in _FIRST_AND_LAST.findall(asked)
        ):
            headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
            scope = {**scope, "headers": headers}
        await super().__call__(scope, receive, send)


def _rendered(stored: StoredFile, links: Links) -> dict[str, Any]:
    expires_at = stored.expires_at if stored.expires_at is not None else stored.created_at + _FAR
    return {
        "id": stored.id,
        "name": stored.name,
        "content_type": stored.content_type,
        "size": stored.size,
        "etag": stored.md5,
        "checksums": {"sha256": stored.sha256, "md5": stored.md5},
        "metadata": stored.metadata,
        "created_at": timestamp(stored.created_at),
        "expires_at": timestamp(expires_at),
        "urls": {"get": links.upload(stored.id)},
    }


# Clients want a date even where nothing expires.
_FAR = 100 * 365 * 86400.0


async def chunks_of(content: UploadFile) -> AsyncIterator[bytes]:
    """The bytes of an uploaded part, as `Files.save` takes them."""
    while chunk := await content.read(_CHUNK):
        yield chunk


def _field(form: FormData, name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) else None


async def _metadata(form: FormData) -> dict[str, Any]:
    """In any shape that clients send: a field or a file part of JSON, or fields `metadata[a]`."""
    given = form.get("metadata")
    if given is None:
        return _bracketed(form)
    text = await given.read() if isinstance(given, UploadFile) else given
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidBody(
            Problem("metadata", "invalid_type", "metadata must be a JSON object")
        ) from None


def _bracketed(form: FormData) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for name, value in form.multi_items():
        keys = _KEYS.findall(name)
        if name.startswith("metadata[") and keys and isinstance(value, str):
            inner = metadata
            for key in keys[:-1]:
                inner = inner.setdefault(key, {})
                if not isinstance(inner, dict):
                    raise InvalidBody(
                        Problem("metadata", "invalid_type", f"metadata has {key} twice")
                    )
            inner[keys[-1]] = value
    return metadata
