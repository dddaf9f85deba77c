"""Faces of photos made better by GFPGAN and its kin, and all around them larger by Real-ESRGAN."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path as FilePath

import enlarging
from esrgan import Esrgan
from faces import FaceFinder, FaceNetwork, improve
from model_files import file_of, only_file
from pictures import on_white, opened
from precision import device

from cog import BasePredictor, Input, InvalidInput, Path


class FaceRestoration(BasePredictor):
    def setup(
        self,
        weights: str,
        parts: dict[str, str] | None = None,
        networks: Mapping[str, str] | None = None,
        remarks: Mapping[str, str] | None = None,
    ) -> None:
        """`networks` names the files to choose from, as `model_files` writes them, the best first;
        `remarks` is what to say when one is chosen. The part `finder` finds faces, and `background`
        enlarges all that is none.
        """
        self.parts = parts or {}
        self.files = {
            name: file_of(each, weights, self.parts) for name, each in (networks or {}).items()
        } or {"": only_file(weights, ".onnx")}
        self.remarks = remarks or {}
        self.finder = FaceFinder(only_file(self.parts["finder"], ".onnx"))
        self.loaded: dict[str, FaceNetwork] = {}
        self._network(next(iter(self.files)))
        file = only_file(self.parts["background"], ".safetensors", ".pth")
        self.background = Esrgan(file, device())

    def predict(
        self,
        img: Path = Input(description="A picture with faces.", accept="image/*"),
        version: str = Input(
            default="", description="The network for faces; empty takes the first."
        ),
        scale: float = Input(
            default=2, description="How many times wider and higher the picture becomes."
        ),
    ) -> Path:
        """A PNG, as large as `scale` says."""
        if not 0 < scale <= 10:
            raise InvalidInput(f"scale is {scale:g}; it must be more than 0 and at most 10.")
        network = self._network(version or next(iter(self.files)))
        if version in self.remarks:
            print(self.remarks[version])
        picture = opened(img, "img")
        enlarging.check_size(picture.size, max(scale, self.background.scale))
        seen = on_white(picture)
        # Faces have colours, also those of photos in grey.
        grounded = picture if picture.has_transparency_data else seen
        made = enlarging.enlarged(grounded, self.background, scale)
        improve(seen, made, scale, self.finder, network)
        path = FilePath(tempfile.mkdtemp()) / "output.png"
        made.save(path)
        return Path(path)

    def _network(self, name: str) -> FaceNetwork:
        if name not in self.files:
            allowed = ", ".join(self.files)
            raise InvalidInput(f"There is no version {name!r}; allowed are {allowed}.")
        if name not in self.loaded:
            self.loaded[name] = FaceNetwork(self.files[name])
        return self.loaded[name]
