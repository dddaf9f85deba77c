"""Texts in the order in which they answer a question. No runner: those that rank them import it."""

from __future__ import annotations

from typing import TypedDict

from text_reading import said

from cog import InvalidInput


class Found(TypedDict):
    """`index` is the text's place among those given, from 0; the score grows with how well it
    fits, from 0 to 1.
    """

    index: int
    score: float
    document: str


def checked(query: str, documents: list[str]) -> None:
    """Raises `InvalidInput` where nothing is asked, or there is nothing to bring in order."""
    said(query, "query")
    if not documents or not all(each.strip() for each in documents):
        raise InvalidInput("documents is empty, or one of its texts is.")


def best(documents: list[str], scores: list[float], most: int) -> list[Found]:
    """The texts of the highest scores, in their order."""
    order = sorted(range(len(scores)), key=lambda at: -scores[at])[:most]
    return [Found(index=at, score=round(scores[at], 6), document=documents[at]) for at in order]
