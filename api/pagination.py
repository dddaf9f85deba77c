"""Pages of a list: opaque cursors that stay valid when new rows arrive, and links with them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request

from errors import InvalidRequest
from predictions.store import Position

PAGE_SIZE = 100

_decoder = msgspec.json.Decoder(tuple[Literal["before", "after"], float, str])


class Cursor(NamedTuple):
    """Where a page begins, behind `before`, or where it ends, ahead of `after`."""

    before: Position | None = None
    after: Position | None = None


def cursor(request: Request) -> Cursor:
    """The cursor that a request carries. Raises `InvalidRequest`."""
    text = request.query_params.get("cursor")
    if not text:
        return Cursor()
    try:
        padded = text.encode() + b"=" * (-len(text) % 4)
        side, moment, identity = _decoder.decode(base64.urlsafe_b64decode(padded))
    except ValueError:
        raise InvalidRequest(
            "The cursor is not one of ours. Take it from `next` or `previous` of a page."
        ) from None
    position = (moment, identity)
    return Cursor(before=position) if side == "before" else Cursor(after=position)


def page(
    results: Sequence[dict[str, Any]],
    next: Position | None,
    previous: Position | None,
    request: Request,
    path: str,
    filters: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The page object. `path` is the list's absolute address; the links repeat the filters, which
    are those of the request unless they are given.
    """
    others = [*(request.query_params if filters is None else filters).items()]
    others = [(name, value) for name, value in others if name != "cursor"]

    def link(side: str, position: Position | None) -> str | None:
        if position is None:
            return None
        text = (
            base64.urlsafe_b64encode(msgspec.json.encode((side, *position))).rstrip(b"=").decode()
        )
        return f"{path}?{urlencode([*others, ('cursor', text)])}"

    return {"previous": link("after", previous), "next": link("before", next), "results": results}
