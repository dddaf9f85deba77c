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
        return _of_8_bits(picture) if picture.mode.startswith("I;16") else picture
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
    """Shades of grey of 16 bits, which PIL would not scale but cut off at 255."""
    import numpy
    from PIL import Image

    return Image.fromarray((numpy.asarray(picture) >> 8).astype(numpy.uint8))


def on_white(picture: Any) -> Any:
    """The picture in red, green and blue; what is transparent shows white."""
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    ground = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(ground, layered).convert("RGB")
