"""Who asks, and what they may see."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

SESSION_COOKIE = "atelier_session"


@dataclass(frozen=True)
class Caller:
    """`owner` is what what they make belongs to: the name of a token, a browser's session, or
    nobody's. What belongs to others does not exist for them unless `sees_all`.
    """

    owner: str = ""
    sees_all: bool = True

    def sees(self, owner: str) -> bool:
        return self.sees_all or owner == self.owner

    @property
    def name(self) -> str:
        """What their account is called in names of deployments and models."""
        return self.owner.removeprefix("token:") or "atelier"

    @property
    def only(self) -> str | None:
        """The owner whose things they see, None for all."""
        return None if self.sees_all else self.owner


EVERYBODY = Caller()
"""Where nobody has to say who they are."""


def is_sent_by_another_site(headers: Mapping[str, str]) -> bool:
    """Whether a page of another site, open in somebody's browser, sends a request in their name.
    Programs that are no browsers do not say; nor do browsers that speak http to another machine.
    """
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


@dataclass(frozen=True)
class Visitors:
    """Those who come to the page: what one runs belongs to their browser's session. `private`:
    they see nothing else.
    """

    private: bool = False

    def caller(self, cookies: Mapping[str, str]) -> Caller:
        """Without a cookie nobody can be told from anybody, and in private sees nothing."""
        session = cookies.get(SESSION_COOKIE, "")
        # Only a digest goes into the database: whoever reads it there is not that visitor.
        owner = f"session:{hashlib.sha256(session.encode()).hexdigest()[:32]}" if session else ""
        return Caller(owner, sees_all=not self.private)


ANYBODY = Visitors()
"""Visitors of a page on which everybody sees everything."""
