"""Pictures made larger or better by ONNX networks: any upscaler (Real-ESRGAN and its kin) whose
input is a picture, (1, 3, height, width) from 0 to 1, and whose output is that picture enlarged.
"""

from __future__ import annotations

import tempfile
from pathlib import Path as FilePath
from typing import Any

import enlarging
import onnx_sessions
from pictures import on_white, opened

from cog import BasePredictor, Input, InvalidInput, Path

QUICK = 1_000_000
"""Bytes of a network below which larger tiles are enlarged soon enough, too."""

LARGE_TILE = 640
"""Pixels of a side that a quick network is given at once: fewer overlaps to enlarge twice."""

FURTHEST = 48
"""Pixels up to which it is found out how far a quick network sees."""

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
        """A PIL image, by the network of just that factor or of the next larger one."""
        network = self.networks[self._factor(scale)]
        try:
            return enlarging.enlarged(picture, network, scale)
        finally:
            network.give_back()

    def _factor(self, scale: float) -> int:
        return min((each for each in self.networks if each >= scale), default=max(self.networks))

    def _check_size(self, size: tuple[int, int], scale: float, output_format: str) -> None:
        enlarging.check_size(size, max(scale, self._factor(scale)))
        width, height = enlarging.scaled(size, scale)
        longest = LONGEST_SIDE[output_format]
        if max(width, height) > longest:
            raise InvalidInput(
                f"A {output_format} may be at most {longest} pixels wide and high; this picture "
                f"would be {width} × {height}. Choose png."
            )


class _Network:
    """One ONNX file."""

    def __init__(self, path: FilePath) -> None:
        quick = path.stat().st_size < QUICK
        self._session = onnx_sessions.opened(path, reuse=True)
        (given, *_) = self._session.get_inputs()
        self._name, self._half = given.name, given.type == "tensor(float16)"
        sides = given.shape[2:]
        self.fixed = all(isinstance(side, int) for side in sides)
        side = LARGE_TILE if quick else enlarging.TILE
        self.tile = (sides[1], sides[0]) if self.fixed else (side, side)
        self.scale = self._probed(path)
        self.overlap = self._reach() if quick and not self.fixed else enlarging.OVERLAP

    def run(self, pixels: Any) -> Any:
        import numpy

        given = pixels.astype(numpy.float16 if self._half else numpy.float32, copy=False)
        (made, *_) = self._session.run(None, {self._name: given})
        return made.astype(numpy.float32, copy=False)

    def give_back(self) -> None:
        """Frees the memory that one tile left for the next."""
        onnx_sessions.give_back(self._session, {self._name: self._smallest()})

    def _smallest(self) -> Any:
        import numpy

        width, height = self.tile if self.fixed else (enlarging.LEAST, enlarging.LEAST)
        return numpy.zeros((1, 3, height, width), numpy.float16 if self._half else numpy.float32)

    def _probed(self, path: FilePath) -> int:
        """The factor, by what becomes of a small picture."""
        smallest = self._smallest()
        height, width = smallest.shape[2:]
        made = self.run(smallest)
        scale: int = made.shape[-1] // width
        if made.shape != (1, 3, height * scale, width * scale) or not scale:
            raise ValueError(
                f"{path.name} makes {made.shape} of a picture of {width} × {height}; this runner "
                "takes networks that enlarge one by a whole number."
            )
        return scale

    def _reach(self) -> int:
        """How many pixels away it still sees: how far a change in the left half of a picture is
        felt in the right one.
        """
        import numpy

        noise = numpy.random.default_rng(0).random((1, 3, 32, 2 * FURTHEST), numpy.float32)
        other = noise.copy()
        other[..., :FURTHEST] = 1 - noise[..., :FURTHEST]
        differs = numpy.abs(self.run(noise) - self.run(other)).max((0, 1, 2)) > 1e-6
        felt = int(differs.nonzero()[0][-1]) // self.scale + 1 - FURTHEST
        return max(2, felt) if felt < FURTHEST else enlarging.OVERLAP
