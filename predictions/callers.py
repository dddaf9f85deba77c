"""Who asks, and what they may see."""

from __future__ import annotations

from dataclasses import dataclass


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
    def only(self) -> str | None:
        """The owner whose things they see, None for all."""
        return None if self.sees_all else self.owner


EVERYBODY = Caller()
"""Where nobody has to say who they are."""
