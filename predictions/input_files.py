"""File inputs on their way to a model: whatever names a file becomes a file of ours, then a local
path. A client's own path never does.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import mimetypes
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

import httpx

from cog.encoding import FILE
from errors import AtelierError, InvalidInput, NotFound, Problem
from model_registry import inputs as model_inputs
from predictions import outgoing
from predictions.callers import Caller
from predictions.files import Files
from predictions.in_time import SLOWEST, in_time

_OURS = re.compile(r"https?://[^/]+/(?:v1/)?v1/(?:files|outputs)/([a-z2-7]{26})(?:/.*)?$")
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class CannotFetch(AtelierError):
    pass


class InputFiles:
    """`schema` is a version's OpenAPI document; `inputs` have been checked against it."""

    def __init__(self, files: Files, offline: bool, allow_private: bool = False) -> None:
        self._files = files
        self._offline = offline
        self._allow_private = allow_private
        self._fetching: dict[str, asyncio.Task[dict[str, Any]]] = {}

    @staticmethod
    def any(schema: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:
        """Whether there is a file among the inputs."""
        return next(iter(model_inputs.file_positions(schema, inputs)), None) is not None

    async def keep(
        self, schema: Mapping[str, Any], inputs: dict[str, Any], prediction_id: str, caller: Caller
    ) -> dict[str, Any]:
        """The inputs with `data:` URIs and URLs of our own files replaced by `{FILE:
        "<id>/<name>"}`; other URLs stay.

        Raises `InvalidInput` for a file that is not ours or a URI that cannot be decoded,
        `FileTooLarge`.
        """
        kept: dict[str, Any] = {}
        problems: list[Problem] = []
        for field, value in model_inputs.file_positions(schema, inputs):
            try:
                kept[field] = await self._kept(value, prediction_id, caller)
            except (NotFound, ValueError) as error:
                problems.append(Problem(field, "invalid_file", str(error)))
        if problems:
            raise InvalidInput(tuple(problems))
        return (
            model_inputs.map_files(schema, inputs, lambda field, value: kept[field])
            if kept
            else inputs
        )

    async def fetch(
        self, schema: Mapping[str, Any], inputs: dict[str, Any], prediction_id: str, owner: str
    ) -> dict[str, Any] | None:
        """The inputs with every file as an absolute local path; remote ones are downloaded. None
        once the prediction is given up. Raises `CannotFetch`, `NotFound`.
        """
        fetching = asyncio.ensure_future(self._fetched(schema, inputs, prediction_id, owner))
        self._fetching[prediction_id] = fetching
        try:
            await asyncio.wait([fetching])
            return None if fetching.cancelled() else fetching.result()
        finally:
            fetching.cancel()
            del self._fetching[prediction_id]

    def give_up(self, prediction_id: str) -> None:
        """Nothing is fetched for it any more."""
        if fetching := self._fetching.get(prediction_id):
            fetching.cancel()

    async def _fetched(
        self, schema: Mapping[str, Any], inputs: dict[str, Any], prediction_id: str, owner: str
    ) -> dict[str, Any]:
        paths: dict[str, str] = {}
        for field, value in model_inputs.file_positions(schema, inputs):
            if isinstance(value, str) and value.startswith("data:"):
                value = await self._kept(value, prediction_id, Caller(owner))
            elif isinstance(value, str):
                value = await self._download(value, prediction_id, owner)
            file = await self._files.get(value[FILE])
            paths[field] = str(await asyncio.to_thread(self._files.path, file))
        return model_inputs.map_files(schema, inputs, lambda field, value: paths[field])

    async def _kept(self, value: Any, prediction_id: str, caller: Caller) -> Any:
        if isinstance(value, str):
            if value.startswith("data:"):
                content, content_type = await asyncio.to_thread(decode_data_uri, value)
                name = "input" + (mimetypes.guess_extension(content_type) or "")
                file = await self._files.save(
                    content,
                    name=name,
                    content_type=content_type or None,
                    prediction_id=prediction_id,
                    owner=caller.owner,
                )
                return {FILE: f"{file.id}/{file.name}"}
            ours = _OURS.match(urllib.parse.unquote(value))
            if ours is None:
                return value
            value = {FILE: ours[1]}
        file = await self._files.get(value[FILE], caller)
        await asyncio.to_thread(self._files.path, file)
        return {FILE: f"{file.id}/{file.name}"}

    async def _download(self, url: str, prediction_id: str, owner: str) -> dict[str, str]:
        if self._offline:
            raise CannotFetch(
                f"{url} cannot be fetched: Atelier runs with --offline. Upload the file instead."
            )

        def too_slow(size: int, seconds: float) -> CannotFetch:
            return CannotFetch(
                f"{url} cannot be fetched: {size} bytes have come in {seconds:.0f} s. At least "
                f"{SLOWEST} a second must."
            )

        try:
            async with (
                outgoing.client(
                    self._allow_private, timeout=_TIMEOUT, follow_redirects=True
                ) as client,
                client.stream("GET", url) as response,
            ):
                if response.status_code >= 400:
                    raise CannotFetch(
                        f"{url} cannot be fetched: it answered {response.status_code}."
                    )
                content_type = response.headers.get("content-type", "").partition(";")[0]
                name = (
                    urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition("/")[2])
                    or "input"
                )
                file = await self._files.save(
                    in_time(response.aiter_bytes(), too_slow),
                    name=name,
                    content_type=content_type,
                    prediction_id=prediction_id,
                    owner=owner,
                )
        except outgoing.ForbiddenAddress as error:
            raise CannotFetch(f"{url} is not fetched: {error}") from error
        except httpx.TimeoutException as error:
            raise CannotFetch(f"{url} cannot be fetched: it did not answer in time.") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            reason = str(error).rstrip(".") or type(error).__name__
            raise CannotFetch(f"{url} cannot be fetched: {reason}.") from error
        return {FILE: f"{file.id}/{file.name}"}


def decode_data_uri(uri: str) -> tuple[bytes, str]:
    """Content and content type of a `data:` URI, base64 or percent-encoded. Raises `ValueError`."""
    head, comma, body = uri.partition(",")
    if not comma:
        raise ValueError(
            "The data: URI has no comma; it must look like data:image/png;base64,iVBOR…."
        )
    content_type, *parameters = head[len("data:") :].split(";")
    raw = urllib.parse.unquote_to_bytes(body)
    if "base64" not in [parameter.strip().lower() for parameter in parameters]:
        return raw, content_type
    try:
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True), content_type
    except binascii.Error as error:
        raise ValueError(f"The data: URI is not valid base64: {error}.") from None
