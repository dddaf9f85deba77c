"""Colours that tell the parts of a picture apart. No runner: those that mark pictures import it."""

from __future__ import annotations

import colorsys


def colour(number: int) -> str:
    """As #rrggbb; each is far from those just before."""
    turn = number * 0.618034 % 1
    red, green, blue = colorsys.hsv_to_rgb(
        turn, (0.85, 0.6)[number % 2], (0.95, 0.75)[number % 3 > 0]
    )
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
