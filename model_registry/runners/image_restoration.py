"""Pictures made larger or better by ONNX networks: any upscaler (Real-ESRGAN and its kin) whose
input is a picture, (1, 3, height, width) from 0 to 1, and whose output is that picture enlarged.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from pictures import on_white, opened

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

TILE = 320
"""Pixels of a side that a network is given at once: bounds the memory, and how long a cancel
waits."""

OVERLAP = 24
"""Pixels around each tile that are enlarged and thrown away: more than a small network sees, so
that no seam shows."""

LEAST = 16
"""Pixels of a side below which a picture is continued at its edges: networks may need some."""

MOST_PIXELS = 100_000_000
"""Of what is made: it takes four bytes each."""

SMALL = 20_000_000
"""Bytes of a network below which more than two threads gain nothing."""

LONGEST_SIDE = {"webp": 16_383, "jpg": 65_535, "png": 2**31 - 1}


class ImageRestoration(BasePredictor):
    def setup(self, weights: str) -> None:
        """`weights` is a folder with one ONNX file for each factor that it can enlarge by."""
        networks = [_Network(path) for path in sorted(FilePath(weights).glob("*.onnx"))]
        if not networks:
            raise ValueError(f"{weights} holds no ONNX file.")
        self.networks = {network.scale: network for network in reversed(networks)}

    def predict(
        self,
        image: Path = Input(description="The picture to enlarge.", accept="image/*"),
        scale: float = Input(
            default=4, ge=1, le=10, description="How many times wider and higher it becomes."
        ),
        output_format: str = Input(
            default="png", choices=["webp", "png", "jpg"], description="The format of the file."
        ),
        output_quality: int = Input(
            default=80, ge=0, le=100, description="For webp and jpg: 100 is best and largest."
        ),
    ) -> Path:
        """The picture, enlarged. Transparency, shades of grey and the colour profile stay."""
        picture = opened(image)
        self._check_size(picture.size, scale, output_format)
        enlarged = self.enlarged(picture, scale)
        if output_format == "jpg" and "A" in enlarged.getbands():
            print("A jpg knows no transparency: what was transparent is white.")
            enlarged = on_white(enlarged)
        path = FilePath(tempfile.mkdtemp()) / f"out.{output_format}"
        converted = picture.mode in ("CMYK", "LAB", "YCbCr")
        profile = None if converted else picture.info.get("icc_profile")
        enlarged.save(path, quality=output_quality, icc_profile=profile)
        return Path(path)

    def enlarged(self, picture: Any, scale: float) -> Any:
        """A PIL image `scale` times as large, in grey or colour, with transparency if it had any.

        Where no network has just that factor, what the next larger one makes is resized.
        """
        from PIL import Image

        network = self.networks[self._factor(scale)]
        layers = _layers(picture)
        tiles = list(_tiles(picture.size, network.tile))
        made = []
        for number, layer in enumerate(layers):
            mode = "L" if number or picture.mode in ("1", "L", "LA") else "RGB"
            canvas = Image.new(mode, _scaled(picture.size, network.scale))
            for at, tile in enumerate(tiles, 1):
                piece, place = tile.enlarged(layer, network)
                canvas.paste(piece.convert(mode), place)
                done = number * len(tiles) + at
                current_scope().progress(done, len(tiles) * len(layers), unit="tile")
            made.append(canvas)
        size = _scaled(picture.size, scale)
        if network.scale != scale:
            print(f"Enlarged {network.scale} times, then resized to {size[0]} × {size[1]}.")
            made = [each.resize(size, Image.Resampling.LANCZOS) for each in made]
        for alpha in made[1:]:
            made[0].putalpha(alpha)
        return made[0]

    def _factor(self, scale: float) -> int:
        return min((each for each in self.networks if each >= scale), default=max(self.networks))

    def _check_size(self, size: tuple[int, int], scale: float, output_format: str) -> None:
        width, height = _scaled(size, max(scale, self._factor(scale)))
        if width * height > MOST_PIXELS:
            allowed = MOST_PIXELS // 1_000_000
            raise InvalidInput(
                f"{size[0]} × {size[1]} pixels enlarged {scale:g} times are {width} × {height}, "
                f"over the {allowed} million pixels allowed. Give a smaller picture or scale."
            )
        width, height = _scaled(size, scale)
        longest = LONGEST_SIDE[output_format]
        if max(width, height) > longest:
            raise InvalidInput(
                f"A {output_format} may be at most {longest} pixels wide and high; this picture "
                f"would be {width} × {height}. Choose png."
            )


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


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


def _tiles(size: tuple[int, int], most: tuple[int, int]) -> Iterator[_Tile]:
    """Tiles whose inner parts cover the picture, all of one size, so that a network that makes
    itself ready for a size does so once.
    """
    columns, rows = (
        list(_spans(side, side_of_tile)) for side, side_of_tile in zip(size, most, strict=True)
    )
    for top, upper, lower in rows:
        for left, begin, end in columns:
            read = left, top, left + min(size[0], most[0]), top + min(size[1], most[1])
            yield _Tile(read, (begin, upper, end, lower))


def _spans(side: int, most: int) -> Iterator[tuple[int, int, int]]:
    """Along one side: where each tile starts, and from where to where its inner part goes."""
    overlap = min(OVERLAP, most // 4)
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

    def enlarged(self, picture: Any, network: _Network) -> tuple[Any, tuple[int, int]]:
        """What the network makes of the inner part, as a PIL image, and where it goes."""
        import numpy
        from PIL import Image

        pixels = numpy.asarray(picture.crop(self.read))
        height, width = pixels.shape[:2]
        least = network.tile if network.fixed else (LEAST, LEAST)
        missing = (0, max(0, least[1] - height)), (0, max(0, least[0] - width)), (0, 0)
        pixels = numpy.pad(pixels, missing, mode="edge").transpose(2, 0, 1)[None] / 255.0
        left, top, right, bottom = (
            network.scale * (edge - offset)
            for edge, offset in zip(self.inner, self.read[:2] * 2, strict=True)
        )
        made = network.run(pixels)[0, :, top:bottom, left:right].transpose(1, 2, 0)
        tile = Image.fromarray((made.clip(0, 1) * 255 + 0.5).astype(numpy.uint8))
        return tile, (network.scale * self.inner[0], network.scale * self.inner[1])


class _Network:
    """One ONNX file: `run` enlarges an (1, 3, height, width) array by `scale`."""

    def __init__(self, path: FilePath) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.enable_cpu_mem_arena = False  # else it keeps what the largest picture took
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if path.stat().st_size < SMALL:
            options.intra_op_num_threads = min(2, os.cpu_count() or 1)
        there = onnxruntime.get_available_providers()
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=[each for each in wanted if each in there]
        )
        (given, *_) = self._session.get_inputs()
        self._name, self._half = given.name, given.type == "tensor(float16)"
        sides = given.shape[2:]
        self.fixed = all(isinstance(side, int) for side in sides)
        self.tile = (sides[1], sides[0]) if self.fixed else (TILE, TILE)
        self.scale = self._probed(path)

    def run(self, pixels: Any) -> Any:
        import numpy

        given = pixels.astype(numpy.float16 if self._half else numpy.float32)
        (made, *_) = self._session.run(None, {self._name: given})
        return made.astype(numpy.float32)

    def _probed(self, path: FilePath) -> int:
        """The factor, by what becomes of a small picture."""
        import numpy

        width, height = self.tile if self.fixed else (16, 16)
        made = self.run(numpy.zeros((1, 3, height, width)))
        scale = int(made.shape[-1]) // width
        if made.shape != (1, 3, height * scale, width * scale) or not scale:
            raise ValueError(
                f"{path.name} makes {made.shape} of a picture of {width} × {height}; this runner "
                "takes networks that enlarge one by a whole number."
            )
        return scale
