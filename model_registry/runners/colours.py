"""Colours that tell the parts of a picture apart. No runner: those that mark pictures import it."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any


def colour(number: int) -> str:
    """As #rrggbb; each is far from those just before."""
    turn = number * 0.618034 % 1
    red, green, blue = colorsys.hsv_to_rgb(
        turn, (0.85, 0.6)[number % 2], (0.95, 0.75)[number % 3 > 0]
    )
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def coloured(picture: Any, places: Any, found: Sequence[Mapping[str, Any]], opacity: float) -> Any:
    """The picture under the colours of what was found; `places` has the number of each pixel's."""
    import numpy
    from PIL import Image, ImageColor

    colours = numpy.zeros((len(found) + 1, 3))
    for each in found:
        colours[each["value"]] = ImageColor.getrgb(each["color"])
    plain = numpy.asarray(picture)
    share = (places > 0)[..., None] * opacity
    mixed = plain * (1 - share) + colours[places] * share
    return Image.fromarray(mixed.round().astype("uint8"))


def grey(places: Any) -> Any:
    """Eight bits a point where the numbers fit, else sixteen."""
    from PIL import Image

    return Image.fromarray(places.astype("uint8") if places.max() < 256 else places)
