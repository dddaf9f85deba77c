"""Silhouettes and fills that recipes draw their pictures from: PIL for outlines, numpy for colours.

Everything follows from the `random.Random` that is passed in. Colours are (3,) arrays from 0 to 1,
pictures (height, width, 3), masks (height, width) with soft edges one pixel wide.
"""

from __future__ import annotations

import math
import random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FINER = 4
"""Outlines are drawn this much larger and then averaged down: that softens their edges."""

Points = list[tuple[float, float]]


def colour(rng: random.Random) -> np.ndarray:
    """Any colour; every third is grey, black or white, as many drawings' are."""
    kind = rng.random()
    if kind < 0.12:
        return np.full(3, rng.choice((0.0, 0.08, 0.92, 1.0)), np.float32)
    if kind < 0.3:
        return np.full(3, rng.random(), np.float32)
    return np.array([rng.random() for _ in range(3)], np.float32)


def apart(rng: random.Random, other: np.ndarray, least: float) -> np.ndarray:
    """A colour at least this far (of √3 at most) from another."""
    while True:
        found = colour(rng)
        if float(np.linalg.norm(found - other)) >= least:
            return found


# --- outlines around (0, 0), about 1 in radius


def _turning(corners: int, radii: tuple[float, ...], turn: float = 0.0) -> Points:
    """Corners around the centre, the first straight up, their distances from `radii` in turn."""
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    return [
        (radii[at % len(radii)] * math.sin(angle), -radii[at % len(radii)] * math.cos(angle))
        for at, angle in enumerate(angles)
    ]


def _heart() -> Points:
    points = []
    for step in range(48):
        t = 2 * math.pi * step / 48
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((0.95 * math.sin(t) ** 3, -y / 16 - 0.1))
    return points


def _cross(rng: random.Random) -> Points:
    arm = rng.uniform(0.2, 0.45)
    quarter = [(arm, -1.0), (arm, -arm), (1.0, -arm)]
    points: Points = []
    for _ in range(4):
        points += quarter
        quarter = [(-y, x) for x, y in quarter]
    return points


def _blob(rng: random.Random) -> Points:
    """A smooth closed line that no formula names."""
    waves = [(n, rng.uniform(0, 0.3 / n), rng.uniform(0, 2 * math.pi)) for n in range(2, 7)]
    points = []
    for step in range(72):
        angle = 2 * math.pi * step / 72
        radius = 0.8 + sum(a * math.sin(n * angle + phase) for n, a, phase in waves)
        points.append((radius * math.cos(angle), radius * math.sin(angle)))
    return points


def outline(rng: random.Random) -> Points:
    """One of the starters' shapes or another, as a polygon."""
    kind = rng.randrange(8)
    if kind == 0:
        return _turning(64, (1.0,))
    if kind == 1:
        return _turning(4, (1.16,), math.pi / 4)
    if kind == 2:
        return [(0.0, -1.0), (1.0, 0.8), (-1.0, 0.8)]
    if kind == 3:
        corners = rng.randint(4, 8)
        return _turning(2 * corners, (1.15, rng.uniform(0.4, 0.7)))
    if kind == 4:
        return _heart()
    if kind == 5:
        return _cross(rng)
    if kind == 6:
        return _turning(rng.randint(5, 8), (1.0,))
    return _blob(rng)


def placed(points: Points, x: float, y: float, size: tuple[float, float], turn: float) -> Points:
    """The points turned, stretched to `size` and moved, in pixels of the finer canvas."""
    cos, sin = math.cos(turn), math.sin(turn)
    return [
        (
            FINER * (x + size[0] * px * cos - size[1] * py * sin),
            FINER * (y + size[0] * px * sin + size[1] * py * cos),
        )
        for px, py in points
    ]


class Canvas:
    """A mask being drawn: `draw` is PIL's, in pixels `FINER` times finer than the mask's."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("L", (width * FINER, height * FINER))
        self.draw = ImageDraw.Draw(self._image)

    def mask(self) -> np.ndarray:
        return np.asarray(self._image.reduce(FINER), np.float32) / 255


# --- fills


def gradient(
    rng: random.Random, width: int, height: int, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """From one colour to another: along a line or from a point."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    if rng.random() < 0.6:
        angle = rng.uniform(0, 2 * math.pi)
        way = x * math.cos(angle) + y * math.sin(angle)
    else:
        way = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height))
    way = (way - way.min()) / max(float(np.ptp(way)), 1e-6)
    return first + (second - first) * way[..., None]


def cloud(rng: random.Random, width: int, height: int, slope: float) -> np.ndarray:
    """Noise, (height, width), deviation 1, whose strength falls with frequency by `slope`: 0 is
    grain, 1 a natural picture, 2 soft clouds.
    """
    noise = np.random.default_rng(rng.getrandbits(63))
    spectrum = np.fft.rfft2(noise.standard_normal((height, width), dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1.0
    spectrum = spectrum / frequency**slope
    spectrum[0, 0] = 0
    made = np.fft.irfft2(spectrum, (height, width)).astype(np.float32)
    return made / max(float(made.std()), 1e-6)


def painted(picture: np.ndarray, fill: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The fill over the picture where the mask is."""
    return picture + (fill - picture) * mask[..., None]


def blurred(picture: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(as_image(picture).filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def as_image(picture: np.ndarray) -> Image.Image:
    return Image.fromarray((picture.clip(0, 1) * 255 + 0.5).astype(np.uint8))
