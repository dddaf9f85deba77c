"""Photos made larger by Real-ESRGAN's networks, from the files of their weights; faces made better
by GFPGAN's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import enlarging
from esrgan import Esrgan
from faces import FaceFinder, FaceNetwork, improve
from model_files import file_of, only_file
from pictures import on_white, opened
from precision import device

from cog import BasePredictor, Input, InvalidInput, Path

LEAST_TILE = 64


class SuperResolution(BasePredictor):
    def setup(
        self,
        weights: str,
        parts: dict[str, str] | None = None,
        networks: Mapping[str, str] | None = None,
        faces: str = "",
    ) -> None:
        """`networks` names the files to choose from, as `model_files` writes them; without it there
        is one file. `faces` is the file of a network for faces, and the part `finder` holds what
        finds them.
        """
        self.weights, self.parts = weights, parts or {}
        named = {
            name: file_of(each, weights, self.parts) for name, each in (networks or {}).items()
        }
        self.files = named or {"": only_file(weights, ".safetensors", ".pth")}
        self.faces = faces
        self.loaded: dict[str, Esrgan] = {}
        self.improvers: tuple[FaceFinder, FaceNetwork] | None = None
        where = device()
        print(f"Precision: {'fp16 on the GPU' if where == 'cuda' else 'fp32 on the CPU'}.")
        self._network(next(iter(self.files)))

    def predict(
        self,
        image: Path = Input(description="The picture to enlarge.", accept="image/*"),
        version: str = Input(default="", description="The network; empty takes the first."),
        scale: float = Input(
            default=4, ge=0, le=10, description="How many times wider and higher it becomes."
        ),
        face_enhance: bool = Input(
            default=False, description="Make faces better too, as GFPGAN does."
        ),
        tile: int = Input(
            default=0,
            ge=0,
            le=4096,
            description="Pixels of a side that are enlarged at once; 0 leaves it to the machine. "
            "Smaller tiles take less memory.",
        ),
    ) -> Path:
        """A PNG. Transparency, shades of grey and the colour profile stay."""
        if scale <= 0:
            raise InvalidInput("scale is 0, which leaves nothing of the picture. Give more than 0.")
        picture = opened(image)
        network = self._network(version or next(iter(self.files)))
        enlarging.check_size(picture.size, max(scale, network.scale))
        usual = network.tile
        if tile:
            network.tile = (max(tile, LEAST_TILE),) * 2
        try:
            made = _enlarged(picture, network, scale)
        finally:
            network.tile = usual
        if face_enhance:
            finder, better = self._improvers()
            improve(on_white(picture), made, scale, finder, better)
        path = FilePath(tempfile.mkdtemp()) / "output.png"
        converted = picture.mode in ("CMYK", "LAB", "YCbCr")
        made.save(path, icc_profile=None if converted else picture.info.get("icc_profile"))
        return Path(path)

    def _network(self, name: str) -> Esrgan:
        if name not in self.files:
            allowed = ", ".join(self.files)
            raise InvalidInput(f"There is no version {name!r}; allowed are {allowed}.")
        if name not in self.loaded:
            self.loaded[name] = Esrgan(self.files[name], device())
        return self.loaded[name]

    def _improvers(self) -> tuple[FaceFinder, FaceNetwork]:
        if not self.faces or "finder" not in self.parts:
            raise InvalidInput("This model has no network for faces: leave face_enhance off.")
        if self.improvers is None:
            finder = FaceFinder(only_file(self.parts["finder"], ".onnx"))
            self.improvers = finder, FaceNetwork(file_of(self.faces, self.weights, self.parts))
        return self.improvers


def _enlarged(picture: Any, network: Esrgan, scale: float) -> Any:
    """In smaller tiles where the GPU's memory is too small for the usual ones."""
    import torch

    while True:
        try:
            return enlarging.enlarged(picture, network, scale)
        except torch.OutOfMemoryError as error:
            side = network.tile[0] // 2
            if side < LEAST_TILE:
                reason = f"The GPU's memory does not hold even a tile of {LEAST_TILE} pixels"
                raise RuntimeError(f"{reason}: {error}") from None
            torch.cuda.empty_cache()
            print(f"The GPU's memory is too small for this tile; trying {side} × {side} pixels.")
            network.tile = (side, side)
