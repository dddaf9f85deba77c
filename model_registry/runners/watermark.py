"""The invisible watermark of Stable Diffusion XL's pictures: the same 48 bits in the same places as
the reference code writes them, so that the usual detectors find it. No runner: runners of pictures
import it.

It lies in the difference between blue and brightness (U of YUV), averaged over 2 × 2 pixels. In
each block of 4 × 4 such averages one, the largest but the first, is moved to where the remainder of
its division by `SCALE` says a bit: a quarter for 0, three quarters for 1. Blocks carry the bits in
turn, row by row; a detector takes the mean of what they say.
"""

from __future__ import annotations

from typing import Any

BITS = [int(bit) for bit in f"{0b101100111110110010010000011110111011000110011110:048b}"]
SCALE = 36
BLOCK = 4
LEAST_SIDE = 256
"""Pixels: a smaller picture carries none."""


def marked(picture: Any) -> Any:
    """The picture in red, green and blue with the watermark in it."""
    import numpy
    from PIL import Image

    if min(picture.size) < LEAST_SIDE:
        return picture
    pixels = numpy.asarray(picture.convert("RGB"), numpy.float64)
    brightness = pixels @ (0.299, 0.587, 0.114)
    difference = 0.492 * (pixels[:, :, 2] - brightness) + 0.5
    change = _change(_averages(difference))
    rows, columns = change.shape
    marked = pixels[:rows, :columns]
    marked[:, :, 1] -= 0.395 * change
    marked[:, :, 2] += 2.032 * change
    return Image.fromarray(pixels.round().clip(0, 255).astype(numpy.uint8))


def _averages(plane: Any) -> Any:
    """Of each 2 × 2 pixels, as Haar's wavelet has them: twice the mean."""
    rows, columns = (side // 4 * 2 for side in plane.shape)
    pairs = plane[: rows * 2, : columns * 2].reshape(rows, 2, columns, 2)
    return pairs.sum((1, 3)) / 2


def _change(averages: Any) -> Any:
    """What each pixel of the plane changes by for the averages to carry the bits."""
    import numpy

    down, across = (side // BLOCK for side in averages.shape)
    whole = averages[: down * BLOCK, : across * BLOCK]
    blocks = whole.reshape(down, BLOCK, across, BLOCK).swapaxes(1, 2).reshape(-1, BLOCK**2)
    place = numpy.abs(blocks[:, 1:]).argmax(1, keepdims=True) + 1
    value = numpy.take_along_axis(blocks, place, 1)
    bits = numpy.resize(BITS, (len(blocks), 1))
    wanted = (numpy.abs(value) // SCALE + 0.25 + 0.5 * bits) * SCALE
    change = numpy.zeros_like(blocks)
    numpy.put_along_axis(change, place, numpy.where(value < 0, -wanted, wanted) - value, 1)
    laid = change.reshape(down, across, BLOCK, BLOCK).swapaxes(1, 2).reshape(whole.shape)
    return laid.repeat(2, 0).repeat(2, 1) / 2
