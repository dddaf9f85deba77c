"""The sizes of pictures: of an aspect ratio, or of a picture that is given. No runner: runners of
pictures import it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

SIZES = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "21:9": (1536, 640),
    "3:2": (1216, 832),
    "2:3": (832, 1216),
    "4:5": (896, 1088),
    "5:4": (1088, 896),
    "3:4": (896, 1152),
    "4:3": (1152, 896),
    "9:16": (768, 1344),
    "9:21": (640, 1536),
}
"""Width and height at one megapixel, as SDXL and FLUX were taught them; Replicate has the same."""

MOST_SIDE = 1440
"""Pixels of the longer side of what is drawn over a given picture, as on Replicate."""

LEAST_SIDE = 256
"""Pixels of the shorter side: in less, no model draws anything."""


def size_of(
    ratio: str,
    megapixels: float = 1,
    sizes: Mapping[str, Sequence[int]] = SIZES,
    multiple: int = 16,
) -> tuple[int, int]:
    """Width and height for an aspect ratio: that of the table, scaled to the megapixels."""
    scale = math.sqrt(megapixels)
    width, height = (rounded(side * scale, multiple) for side in sizes[ratio])
    return width, height


def size_of_area(
    width: int, height: int, megapixels: float = 1, multiple: int = 16
) -> tuple[int, int]:
    """A size of that many megapixels, as wide for its height as a picture is; 4 : 1 at most."""
    ratio = min(max(width / height, 0.25), 4)
    side = 1024 * math.sqrt(megapixels)
    return rounded(side * math.sqrt(ratio), multiple), rounded(side / math.sqrt(ratio), multiple)


def size_like(
    width: int,
    height: int,
    multiple: int = 16,
    least: int = LEAST_SIDE,
    most: int = MOST_SIDE,
) -> tuple[int, int]:
    """The size to draw at over a picture of this size: its own as near as may be. What is longer
    than `most` or shorter than `least` is scaled; one longer than both allow is cut at its ends.
    """
    scale = min(1.0, most / max(width, height))
    scale = max(scale, least / min(width, height))
    wide, high = (rounded(min(side * scale, most), multiple) for side in (width, height))
    return wide, high


def rounded(side: float, multiple: int) -> int:
    """The nearest whole multiple that is not 0."""
    return max(multiple, round(side / multiple) * multiple)
