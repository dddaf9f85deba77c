"""JSON in and out: bounded, checked bodies of requests and the bodies of answers."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.errors import BodyTooLarge, InvalidBody, TooSlow
from errors import InvalidRequest, Problem
from predictions.in_time import SLOWEST, in_time

MAX_JSON = 32_000_000

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode
_NO_STORE = {"Cache-Control": "no-store"}
_COMPLAINT = re.compile(r"(?P<reason>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_INDEX = re.compile(r"\[(\d+)\]")
_FIELD = re.compile("`(.*)`", re.DOTALL)
# An escaped backslash, a letter beyond 16 bits as two halves, or a half alone.
_ESCAPES = re.compile(
    rb"\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def answer(value: Any, status: int = 200, headers: Mapping[str, str] = _NO_STORE) -> Response:
    return Response(_encode(value), status, headers, "application/json")


async def read(request: Request, decoder: msgspec.json.Decoder[T]) -> T:
    """The request's JSON body. Raises `InvalidRequest`, `InvalidBody`, `BodyTooLarge`."""
    body = await read_bytes(request)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidBody(_problem(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not JSON: {_half(body) or error}") from None


async def read_bytes(request: Request) -> bytes:
    """The request's body, at most `MAX_JSON` bytes. Raises `BodyTooLarge`."""
    too_large = BodyTooLarge(
        f"A JSON body may have at most {MAX_JSON // 1_000_000} MB. Upload files to /v1/files."
    )
    body = bytearray()
    async for chunk in bounded(request, MAX_JSON, too_large):
        body += chunk
    return bytes(body)


async def bounded(
    request: Request, limit: int, too_large: Exception
) -> AsyncGenerator[bytes, None]:
    """The chunks of a request's body. Raises `too_large` at the first byte over `limit`, and
    `TooSlow` when it comes more slowly than anybody sends who means it.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large
    size = 0
    async for chunk in in_time(request.stream(), _too_slow):
        size += len(chunk)
        if size > limit:
            raise too_large
        yield chunk


def _too_slow(size: int, seconds: float) -> TooSlow:
    return TooSlow(
        f"The body came too slowly: {size} bytes in {seconds:.0f} s. "
        f"Send at least {SLOWEST} bytes a second."
    )


def _half(body: bytes) -> str:
    """What to say of half a letter, as is left where a program cuts a text within an emoji."""
    halves = (found["half"] for found in _ESCAPES.finditer(body) if found["half"])
    half = next(halves, b"").decode()
    return half and f"{half} is half a letter. Cut texts between letters, not within them."


def _problem(complaint: str) -> Problem:
    """One of msgspec's complaints in Replicate's terms."""
    parts = _COMPLAINT.fullmatch(complaint)
    assert parts
    reason, path = parts["reason"], _INDEX.sub(r".\1", (parts["path"] or "").replace("[...]", ""))
    named = _FIELD.search(reason)
    if reason.startswith("Object missing") and named:
        return Problem(path, "required", f"{named[1]} is required")
    if reason.startswith("Object contains unknown") and named:
        return Problem(
            path,
            "additional_property_not_allowed",
            f"Additional property {named[1]} is not allowed",
        )
    if reason.startswith("Invalid enum value"):
        return Problem(path, "enum", reason)
    return Problem(path, "invalid_type", reason)
