"""What Cog's own server is sent, and how it refuses what it cannot take."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api.bodies import answer, read_bytes
from api.errors import InvalidBody, status_of
from errors import AtelierError, BrokenModel, InvalidInput, InvalidRequest


class Asked(msgspec.Struct, kw_only=True):
    """The body of a create. Other fields are what servers between add, and say nothing here."""

    id: str | None = None
    input: dict[str, Any] | None = None
    context: dict[str, str] = {}
    webhook: str | None = None
    webhook_events_filter: list[Literal["start", "output", "logs", "completed"]] | None = None


_decode = msgspec.json.Decoder(Asked).decode


class _Malformed(InvalidBody):
    """A body of the wrong shape, at one place."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__()
        self.path = path
        self.reason = reason


def install(application: Starlette) -> None:
    """Answers what the routes of `application` raise."""
    application.add_exception_handler(AtelierError, _answer_error)
    application.add_exception_handler(ClientDisconnect, _answer_nobody)


async def read(request: Request) -> Asked:
    """The body of a create, with the id that the address has. Raises what `install` answers."""
    body = await read_bytes(request)
    try:
        asked = _decode(body or b"{}")
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        raise _Malformed(path.strip(".`"), reason) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not JSON: {error}") from None
    if given := request.path_params.get("id"):
        if asked.id not in (None, given):
            raise _Malformed("id", f"The body has another id than the address, {given!r}.")
        asked.id = given
    return asked


def refusal(status: int, detail: Any) -> Response:
    return answer({"detail": detail}, status)


async def _answer_error(request: Request, error: Any) -> Response:
    match error:
        case InvalidInput(problems=problems):
            return refusal(422, [_wrong(["input", *_path(p.field)], p.message) for p in problems])
        case _Malformed(path=path, reason=reason):
            return refusal(422, [_wrong(_path(path), reason)])
        case BrokenModel():
            return refusal(503, str(error))
    return refusal(status_of(error), str(error))


async def _answer_nobody(request: Request, error: Any) -> Response:
    return refusal(400, "The request ended before its body did.")


def _wrong(place: list[str | int], message: str) -> dict[str, Any]:
    return {"loc": ["body", *place], "msg": message, "type": "value_error"}


def _path(written: str) -> list[str | int]:
    """`images.0` and `images[0]` alike."""
    parts = re.findall(r"[^.\[\]]+", written)
    return [int(part) if part.isdecimal() else part for part in parts]
