"""A picture enlarged by any network, tile by tile, so that no seam shows and memory stays bounded.
No runner: runners that enlarge import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from cog import InvalidInput, current_scope

TILE = 320
"""Pixels of a side that a network is given at once: bounds the memory, and how long a cancel
waits."""

OVERLAP = 24
"""Pixels around each tile that are enlarged and thrown away, so that no seam shows, where nobody
knows how far the network sees."""

LEAST = 16
"""Pixels of a side below which a picture is continued at its edges: networks may need some."""

LINES = 16
"""Of a picture, that are made whole numbers at once."""

MOST_PIXELS = 100_000_000
"""Of what is made: it takes four bytes each."""


class Network(Protocol):
    """`run` makes of an array (1, 3, height, width) from 0 to 1 one `scale` times as wide and high.
    `tile` is the width and height that it is given exactly, if `fixed`; else it is given at most as
    many pixels, in any shape. `overlap` is the pixels at a tile's edges that it is not trusted
    with.
    """

    scale: int
    tile: tuple[int, int]
    fixed: bool
    overlap: int

    def run(self, pixels: Any) -> Any: ...


def enlarged(picture: Any, network: Network, scale: float) -> Any:
    """A PIL image `scale` times as large, in grey or colour, with transparency if it had any.

    Where that is not the network's own factor, what it makes is resized, and that is said.
    """
    from PIL import Image

    made = _as_network_does(picture, network)
    size = scaled(picture.size, scale)
    if network.scale != scale:
        print(f"Enlarged {network.scale} times, then resized to {size[0]} × {size[1]}.")
        made = [each.resize(size, Image.Resampling.LANCZOS) for each in made]
    for alpha in made[1:]:
        made[0].putalpha(alpha)
    return made[0]


def scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def check_size(size: tuple[int, int], scale: float) -> None:
    """Raises `InvalidInput` where the enlarged picture would have more than `MOST_PIXELS`."""
    width, height = scaled(size, scale)
    if width * height > MOST_PIXELS:
        raise InvalidInput(
            f"{size[0]} × {size[1]} pixels enlarged {scale:g} times are {width} × {height}, over "
            f"the {MOST_PIXELS // 1_000_000} million pixels allowed. Give a smaller picture or "
            "scale."
        )


def _as_network_does(picture: Any, network: Network) -> list[Any]:
    """The colours and the transparency, if any, each enlarged by the network's own factor."""
    from PIL import Image

    layers = _layers(picture)
    tiles = list(_tiles(picture.size, network))
    made = []
    for number, layer in enumerate(layers):
        mode = "L" if number or picture.mode in ("1", "L", "LA") else "RGB"
        canvas = Image.new(mode, scaled(picture.size, network.scale))
        for at, tile in enumerate(tiles, 1):
            piece, place = tile.enlarged(layer, network)
            canvas.paste(piece.convert(mode), place)
            done = number * len(tiles) + at
            current_scope().progress(done, len(tiles) * len(layers), unit="tile")
        made.append(canvas)
    return made


def _layers(picture: Any) -> list[Any]:
    """The colours, and the transparency as shades of grey if there is any: each an RGB image."""
    from PIL import Image, ImageFilter

    if not picture.has_transparency_data:
        return [picture.convert("RGB")]
    layered = picture.convert("RGBA")
    alpha = layered.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return [layered.convert("RGB")]
    # Behind what is wholly transparent may lie any colour; it must not bleed into the edges, so
    # the colours beside it go there.
    beside = layered.convert("RGBa").filter(ImageFilter.BoxBlur(4)).convert("RGBA")
    seen = alpha.point([0] + [255] * 255)
    colours = Image.composite(layered.convert("RGB"), beside.convert("RGB"), seen)
    return [colours, alpha.convert("RGB")]


def _tiles(size: tuple[int, int], network: Network) -> Iterator[_Tile]:
    """Tiles whose inner parts cover the picture, all of one size, so that a network that makes
    itself ready for a size does so once.
    """
    most = network.tile if network.fixed else _tile_size(size, network)
    columns, rows = (
        list(_spans(side, side_of_tile, network.overlap))
        for side, side_of_tile in zip(size, most, strict=True)
    )
    for top, upper, lower in rows:
        for left, begin, end in columns:
            read = left, top, left + min(size[0], most[0]), top + min(size[1], most[1])
            yield _Tile(read, (begin, upper, end, lower))


def _tile_size(size: tuple[int, int], network: Network) -> tuple[int, int]:
    """The width and height of tiles with which the network is given the fewest pixels in all."""
    most, usual = network.tile[0] * network.tile[1], min(network.tile)
    overlap = min(network.overlap, usual // 4)
    # No side so short that its overlaps are most of it.
    least = min(usual, max(usual // 2, 4 * overlap))

    def parts(whole: int, side: int) -> int:
        return 1 if side >= whole else -(-(whole - 2 * overlap) // (side - 2 * overlap))

    def side(whole: int, parts: int) -> int:
        even = -(-(whole + 2 * overlap * (parts - 1)) // parts)
        return even if parts == 1 else max(least, even)

    sizes = []
    for columns in range(1, parts(size[0], least) + 1):
        width = side(size[0], columns)
        highest = most // width
        if highest >= min(size[1], least):
            rows = parts(size[1], highest)
            height = side(size[1], rows)
            sizes.append((columns * width * rows * height, (width, height)))
    return min(sizes)[1]


def _spans(side: int, most: int, overlap: int) -> Iterator[tuple[int, int, int]]:
    """Along one side: where each tile starts, and from where to where its inner part goes."""
    overlap = min(overlap, most // 4)
    begin = 0
    while begin < side:
        start = max(0, min(begin - overlap, side - most))
        end = side if start + most >= side else start + most - overlap
        yield start, begin, end
        begin = end


Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels of the picture."""


@dataclass(frozen=True)
class _Tile:
    read: Box
    inner: Box

    def enlarged(self, picture: Any, network: Network) -> tuple[Any, tuple[int, int]]:
        """What the network makes of the inner part, as a PIL image, and where it goes."""
        import numpy

        pixels = numpy.asarray(picture.crop(self.read))
        height, width = pixels.shape[:2]
        least = network.tile if network.fixed else (LEAST, LEAST)
        missing = (0, max(0, least[1] - height)), (0, max(0, least[0] - width)), (0, 0)
        pixels = numpy.pad(pixels, missing, mode="edge").transpose(2, 0, 1)[None]
        left, top, right, bottom = (
            network.scale * (edge - offset)
            for edge, offset in zip(self.inner, self.read[:2] * 2, strict=True)
        )
        made = network.run(pixels / numpy.float32(255))[0, :, top:bottom, left:right]
        return _drawn(made), (network.scale * self.inner[0], network.scale * self.inner[1])


def _drawn(made: Any) -> Any:
    """An RGB image of an array (3, height, width) from 0 to 1. A few lines at a time, which stay in
    the processor's cache: three times as fast as the whole at once.
    """
    import numpy
    from PIL import Image

    drawn = numpy.empty(made.shape, numpy.uint8)
    for first in range(0, made.shape[1], LINES):
        lines = made[:, first : first + LINES] * numpy.float32(255)
        lines += numpy.float32(0.5)
        drawn[:, first : first + LINES] = numpy.clip(lines, 0, 255, out=lines)
    return Image.merge("RGB", [Image.fromarray(colour) for colour in drawn])
