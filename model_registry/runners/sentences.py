"""A text → its sentences, and groups of them to be spoken one after another. No runner: runners
that speak import it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 400
"""Characters of a piece with no full stop: it is cut at a comma, else at a space, else anywhere."""

_CLOSING = r"[\"'”’»›)\]」』）】]*"
_END = re.compile(
    rf"[.!?…;؟۔।॥։።]+{_CLOSING}(?=\s)"  # full stops of scripts that put spaces between words
    rf"|[。！？｡．]+{_CLOSING}"  # and of those that put none
    r"|\n(?=\s*[^\sa-zà-ÿ])|\n\s*\n"  # a line's end, unless the sentence plainly goes on
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“„«])(?:\w|\d{1,2}|Dr|Mr|Mrs|Ms|Prof|St|Sr|Jr|Sra|Mme|Mlle|Nr|No|Fig|vs|etc|ca|cf"
    r"|approx|bzw|usw|Hr|Fr|(?:\w\.)+\w)\.$",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s*")
_PAUSE = re.compile(r"[,;:،、，；：—–)]\s*")


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order and whole: joined again they are the text. One that is too
    long comes in parts.
    """
    found, start = [], 0
    for mark in _END.finditer(text):
        end = _SPACE.match(text, mark.end()).end()  # type: ignore[union-attr]  # matches always
        if start < mark.end() and not _goes_on(text[start : mark.end()], text[end : end + 1]):
            found.append(text[start:end])
            start = end
    found.append(text[start:])
    return [part for each in found for part in _parts(each) if part]


def groups(text: str) -> list[list[str]]:
    """The sentences in groups to be spoken at once: short ones at first, so that something is heard
    soon, longer ones later, so that a long text is not a hundred pieces. A short text is one group.
    """
    found: list[list[str]] = [[]]
    left = len(text)
    for sentence in sentences(text):
        filled = sum(map(len, found[-1])) >= min(50 + 50 * len(found), 600)
        if filled and left >= 40:
            found.append([])
        found[-1].append(sentence)
        left -= len(sentence)
    return found


def _goes_on(sentence: str, following: str) -> bool:
    """Whether what looks like an end is none: a quotation within a sentence, an abbreviation, an
    initial, an ordinal.
    """
    if sentence.endswith("\n"):
        return False
    return following.islower() or _ABBREVIATION.search(sentence[-16:]) is not None


def _parts(sentence: str) -> Iterator[str]:
    while len(sentence) > LONGEST:
        cut = _last(_PAUSE, sentence) or sentence.rfind(" ", LONGEST // 4, LONGEST) + 1 or LONGEST
        yield sentence[:cut]
        sentence = sentence[cut:]
    yield sentence


def _last(mark: re.Pattern[str], text: str) -> int:
    """Where the last mark in the allowed length ends; 0 where none is."""
    return max((found.end() for found in mark.finditer(text, LONGEST // 4, LONGEST)), default=0)
