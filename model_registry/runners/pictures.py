"""Pictures that a person gives, opened: any runner that takes one reads it here."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from cog import InvalidInput

MOST_PIXELS = 64_000_000


def opened(path: Path, name: str = "image") -> Any:
    """The first frame of a picture file as a PIL image, loaded, turned as its EXIF data says.

    Raises `InvalidInput`, naming the input, for what is no picture, is cut off, or has more than
    `MOST_PIXELS`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            file = Image.open(path)
        with file:
            if file.width * file.height > MOST_PIXELS:
                raise InvalidInput(
                    f"{name} has {file.width} × {file.height} pixels; allowed are "
                    f"{MOST_PIXELS // 1_000_000} million. Make it smaller."
                )
            if getattr(file, "is_animated", False):
                print(f"{name} holds several pictures; the first is taken.")
            picture = ImageOps.exif_transpose(file)
        return _of_8_bits(picture) if picture.mode[0] in "IF" else picture
    except Image.DecompressionBombError:
        raise InvalidInput(
            f"{name} has far too many pixels; allowed are {MOST_PIXELS // 1_000_000} million."
        ) from None
    except UnidentifiedImageError:
        raise InvalidInput(
            f"{name} is no picture that can be read. Give a PNG, a JPEG or a WebP, for example."
        ) from None
    except (OSError, SyntaxError, EOFError) as error:
        reason = str(error).replace(repr(str(path)), "the file")
        raise InvalidInput(f"{name} is no picture that can be read: {reason}.") from None


def _of_8_bits(picture: Any) -> Any:
    """Shades of grey of more bits, which PIL would not scale but cut off at 255: of 16, or of 32
    where they are whole numbers of 16 bits or less, or a share of white.
    """
    import numpy
    from PIL import Image

    shades = numpy.nan_to_num(numpy.asarray(picture))
    if shades.dtype.kind == "f":
        white = 1 if shades.max() <= 1 else 255
        return Image.fromarray((shades.clip(0, white) * (255 / white)).astype(numpy.uint8))
    bits = 8 if shades.dtype.itemsize == 2 or shades.max() > 255 else 0
    return Image.fromarray((shades.clip(0, 65535).astype(numpy.uint16) >> bits).astype(numpy.uint8))


def on_white(picture: Any) -> Any:
    """The picture in red, green and blue; what is transparent shows white."""
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    ground = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(ground, layered).convert("RGB")


def painted(path: Path) -> Any:
    """A mask in shades of grey: what is transparent was not painted. Raises `InvalidInput`, also
    where nothing is white.
    """
    from PIL import Image

    mask = opened(path, "mask")
    if mask.has_transparency_data:
        layered = mask.convert("RGBA")
        mask = Image.alpha_composite(Image.new("RGBA", layered.size, "black"), layered)
    mask = mask.convert("L")
    if not mask.getbbox():
        raise InvalidInput("The mask is black all over: paint white where to draw anew.")
    return mask
