"""Who may call: anybody, or whoever shows one of the allowed tokens."""

from __future__ import annotations

import hmac
from collections.abc import Collection

from starlette.datastructures import Headers

from api.errors import Unauthenticated


class Authentication:
    """`tokens` are the allowed ones; None lets everybody in, with any token or none."""

    def __init__(self, tokens: Collection[str] | None) -> None:
        self._tokens = None if tokens is None else tuple(token.encode() for token in tokens)

    def check(self, headers: Headers) -> None:
        """Raises `Unauthenticated`."""
        if self._tokens is None:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() not in ("bearer", "token") or not token:
            raise Unauthenticated(
                "No token was passed. Send the header `Authorization: Bearer <token>`."
            )
        # Every token is compared, in constant time: the time must not tell how much was right.
        if not any([hmac.compare_digest(token.encode(), allowed) for allowed in self._tokens]):
            raise Unauthenticated("The token is not valid. Ask whoever runs this server for one.")
