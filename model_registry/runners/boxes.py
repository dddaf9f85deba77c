"""Things found in a picture, and the picture with a frame around each. No runner: those that find
things import it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any, TypedDict

from colours import colour

from cog import Path, current_scope


class Box(TypedDict):
    """In pixels from the picture's upper left."""

    left: int
    top: int
    right: int
    bottom: int


class Thing(TypedDict):
    """`color` is that of its frame."""

    label: str
    score: float
    box: Box
    color: str


class Output(TypedDict):
    """The picture with frames, and what is in them, the surest first."""

    image: Path
    objects: list[Thing]


def output(picture: Any, found: Iterable[tuple[str, float, list[float]]]) -> Output:
    """Of labels, scores and corners (left, top, right, bottom)."""
    best = sorted(found, key=lambda each: -each[1])
    kinds = list(dict.fromkeys(label for label, _, _ in best))
    things = [
        Thing(
            label=label,
            score=round(score, 4),
            box=_box(picture, corners),
            color=colour(kinds.index(label) + 1),
        )
        for label, score, corners in best
    ]
    current_scope().record_metric("objects", len(things))
    if not things:
        print("Found nothing. A lower threshold may show what the model is less sure of.")
    path = FilePath(tempfile.mkdtemp()) / "objects.png"
    _framed(picture, things).save(path)
    return Output(image=Path(path), objects=things)


def _box(picture: Any, corners: list[float]) -> Box:
    """Within the picture: a model may point beyond its edge."""
    left, top, right, bottom = map(round, corners)
    wide, high = picture.size
    left, right = sorted((min(max(left, 0), wide), min(max(right, 0), wide)))
    top, bottom = sorted((min(max(top, 0), high), min(max(bottom, 0), high)))
    return Box(left=left, top=top, right=right, bottom=bottom)


def _framed(picture: Any, things: list[Thing]) -> Any:
    from PIL import ImageDraw, ImageFont

    shown = picture.copy()
    draw = ImageDraw.Draw(shown)
    thick = max(2, min(picture.size) // 200)
    font = ImageFont.load_default(max(10, min(picture.size) // 40))
    for each in reversed(things):  # the surest lie on top
        box, ink = each["box"], each["color"]
        draw.rectangle((box["left"], box["top"], box["right"], box["bottom"]), None, ink, thick)
        words = f" {each['label']} {each['score']:.0%} "
        place = (box["left"], box["top"])
        draw.rectangle(draw.textbbox(place, words, font), ink)
        draw.text(place, words, "white", font)
    return shown
