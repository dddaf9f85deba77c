"""Who calls: anybody, or whoever shows one of the allowed tokens.

Of a token only its SHA-256 is kept here: random as tokens are, nobody gets back from it to them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request

from api.errors import Unauthenticated
from errors import CannotStart
from predictions.callers import EVERYBODY, Caller

ADMIN = "admin"
"""The name whose token sees everybody's predictions and files, and may change the catalogue."""
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
_HASHED = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Tokens:
    """The tokens that may call: SHA-256 digest → name."""

    names: Mapping[bytes, str]

    @classmethod
    def read(cls, lines: Iterable[str], place: str) -> Tokens:
        """A token a line, with its name in front: `ada r8_…`. Instead of the token a line may hold
        `sha256:` and the token's SHA-256 in hex. Without a name it is called after its digest.
        Empty lines and those that begin with # say nothing. Raises `CannotStart`, naming no token.
        """
        names: dict[bytes, str] = {}
        for number, line in enumerate(lines, 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if len(words) > 2:
                raise CannotStart(
                    f"{place}, line {number}, has {len(words)} words. Write a token, or a name and "
                    "a token."
                )
            token = words[-1]
            hashed = _HASHED.fullmatch(token)
            digest = bytes.fromhex(hashed[1]) if hashed else _digest(token)
            name = words[0] if len(words) == 2 else f"token-{digest.hex()[:8]}"
            if not _NAME.fullmatch(name):
                raise CannotStart(
                    f"{place}, line {number}: a name has up to 64 letters, digits, dots, dashes "
                    "and underscores, and begins with a letter or digit."
                )
            names[digest] = name
        if not names:
            raise CannotStart(f"{place} holds no token. Put one a line, or leave --tokens out.")
        return cls(names)

    def name_of(self, token: str) -> str | None:
        # Looked up by its digest: how long that takes says nothing about the token.
        return self.names.get(_digest(token))


class Authentication:
    """`tokens` are the allowed ones; None lets everybody in, with any token or none, to see all."""

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    def caller(self, headers: Headers) -> Caller:
        """Raises `Unauthenticated`."""
        if self._tokens is None:
            return EVERYBODY
        scheme, _, token = headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() not in ("bearer", "token") or not token:
            raise Unauthenticated(
                "No token was passed. Send the header `Authorization: Bearer <token>`."
            )
        name = self._tokens.name_of(token)
        if name is None:
            raise Unauthenticated("The token is not valid. Ask whoever runs this server for one.")
        return Caller(f"token:{name}", sees_all=name == ADMIN)


def caller_of(request: Request) -> Caller:
    """Who sent a request that has been let in."""
    caller: Caller = request.scope["caller"]
    return caller


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
