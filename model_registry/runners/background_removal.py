"""Things cut out of their background by ONNX networks: any that takes a picture of one size, its
colours shifted and scaled, and gives a mask (U²-Net, IS-Net, BiRefNet and their kin).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import onnx_sessions
from model_files import file_of
from pictures import on_white, opened

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

NORMAL = {"image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)}
"""What U²-Net expects; a `preprocessor_config.json` beside the network says otherwise."""

USUAL_SIDE = 320

MULTIPLE = 32
MOST_SIDE = 2048
"""Of what a network sees, in pixels."""

NOTHING = 0.002
"""The share of a picture below which what was found is nothing."""


class BackgroundRemoval(BasePredictor):
    def setup(
        self,
        weights: str,
        parts: dict[str, str] | None = None,
        networks: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """`weights` is a folder with one ONNX file, in it or in a folder `onnx`. Or `networks`
        names several: a `file`, as `model_files` writes it, and what a `preprocessor_config.json`
        would say (`image_mean`, `image_std`, `size`).
        """
        self.said = {
            name: (file_of(each["file"], weights, parts or {}), each)
            for name, each in (networks or {}).items()
        } or {"": (_network_in(FilePath(weights)), {})}
        self.networks: dict[str, _Network] = {}
        self._network(next(iter(self.said)))

    def predict(
        self,
        image: Path = Input(description="The picture to cut from.", accept="image/*"),
        model: str = Input(default="", description="The network; empty takes the first."),
        threshold: float = Input(
            default=0,
            ge=0,
            le=1,
            description="0 keeps soft edges; above it, what is at least this surely the thing "
            "stays whole, and all else goes.",
        ),
        background_color: str = Input(
            default="",
            max_length=64,
            description="A name or #rrggbb to put behind the thing; empty leaves it transparent.",
        ),
        only_mask: bool = Input(
            default=False, description="Give the mask instead: white where the thing is."
        ),
        resolution: str = Input(
            default="",
            max_length=16,
            deprecated=True,
            description="How large the network sees the picture, such as 1024x1024; empty, as it "
            "was taught.",
        ),
    ) -> Path:
        """A PNG as large as the picture, with the picture's own pixels where the thing is."""
        ground = _colour(background_color)
        picture = opened(image)
        mask = self._network(model or next(iter(self.said))).mask(picture, _sides(resolution))
        if threshold > 0:
            level = max(1, round(threshold * 255))
            mask = mask.point([0] * level + [255] * (256 - level))
        _tell(mask)
        path = FilePath(tempfile.mkdtemp()) / "out.png"
        made = mask if only_mask else _cut(picture, mask, ground)
        made.save(path)
        return Path(path)

    def _network(self, name: str) -> _Network:
        if name not in self.said:
            allowed = ", ".join(self.said)
            raise InvalidInput(f"There is no model {name!r}; allowed are {allowed}.")
        if name not in self.networks:
            self.networks[name] = _Network(*self.said[name])
        return self.networks[name]


class _Network:
    """One ONNX file. `said` tells what its `preprocessor_config.json` would, where it has none."""

    def __init__(self, path: FilePath, said: Mapping[str, Any]) -> None:
        self.session = onnx_sessions.opened(path)
        (given, *_) = self.session.get_inputs()
        self.input_name, self.is_half = given.name, given.type == "tensor(float16)"
        said = {**_settings_beside(path), **said}
        self.normal = {key: said.get(key, usual) for key, usual in NORMAL.items()}
        self.size = _size(given.shape, said.get("size"))
        self.takes_any = not all(isinstance(side, int) for side in given.shape[2:])

    def mask(self, picture: Any, size: tuple[int, int] | None = None) -> Any:
        """Where the thing is in a PIL image: an image in shades of grey, as large as it. `size` is
        how large it is seen. Raises `InvalidInput` where the network can only see another.
        """
        import numpy
        from PIL import Image

        size = size or self.size
        if size != self.size and not self.takes_any:
            given, only = (f"{width}x{height}" for width, height in (size, self.size))
            raise InvalidInput(f"resolution is {given}; this network sees {only} only.")
        seen = on_white(picture).resize(size, Image.Resampling.BILINEAR)
        shift, scale = (numpy.array(each) for each in self.normal.values())
        pixels = (numpy.asarray(seen) / 255.0 - shift) / scale
        kind = numpy.float16 if self.is_half else numpy.float32
        given = pixels.transpose(2, 0, 1)[None].astype(kind)
        (made, *_) = self.session.run(None, {self.input_name: given})
        sure = numpy.squeeze(made).astype(numpy.float32)
        if sure.ndim != 2:
            sure = sure.reshape(-1, *sure.shape[-2:])[0]
        if sure.min() < 0 or sure.max() > 1:  # some end before the sigmoid
            sure = 1 / (1 + numpy.exp(-sure.clip(-30, 30)))
        if sure.max() > 0.5:  # what was found is opaque where the network is most sure of it
            sure = sure / sure.max()
        small = Image.fromarray((sure * 255 + 0.5).astype(numpy.uint8))
        return small.resize(picture.size, Image.Resampling.BICUBIC)


def _network_in(folder: FilePath) -> FilePath:
    """The folder's network; of several, the one that is called model.onnx."""
    found = sorted([*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx")])
    named = [path for path in found if path.name == "model.onnx"] or found
    if len(named) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise ValueError(
            f"{folder} must hold one ONNX file, or one named model.onnx; it has: {there}."
        )
    return named[0]


def _settings_beside(path: FilePath) -> dict[str, Any]:
    """Its `preprocessor_config.json`: beside it, or beside the folder `onnx` that it lies in."""
    above = [path.parent.parent] if path.parent.name == "onnx" else []
    for folder in (path.parent, *above):
        settings = folder / "preprocessor_config.json"
        if settings.is_file():
            return dict(json.loads(settings.read_text()))
    return {}


def _size(shape: list[Any], said: Any) -> tuple[int, int]:
    """The width and height of what the network takes: what its input says, else its settings."""
    height, width = shape[2:]
    if isinstance(height, int) and isinstance(width, int):
        return width, height
    if isinstance(said, dict) and {"width", "height"} <= said.keys():
        return int(said["width"]), int(said["height"])
    return USUAL_SIDE, USUAL_SIDE


def _sides(text: str) -> tuple[int, int] | None:
    """The width and height in a text such as 1024x1024, to multiples of 32; None for no text."""
    if not text.strip():
        return None
    sides = [int(side) for side in text.lower().split("x") if side.strip().isdecimal()]
    if len(sides) != 2 or not all(MULTIPLE <= side <= MOST_SIDE for side in sides):
        raise InvalidInput(
            f"resolution is {text!r}; write width and height such as 1024x1024, each from "
            f"{MULTIPLE} to {MOST_SIDE}."
        )
    width, height = (side // MULTIPLE * MULTIPLE for side in sides)
    return width, height


def _colour(text: str) -> tuple[int, ...] | None:
    from PIL import ImageColor

    if not text.strip():
        return None
    try:
        return ImageColor.getcolor(text.strip(), "RGBA")  # type: ignore[return-value]
    except ValueError:
        raise InvalidInput(
            f"background_color is {text!r}; write a name such as white, or #rrggbb."
        ) from None


def _cut(picture: Any, mask: Any, ground: tuple[int, ...] | None) -> Any:
    """The picture where the mask is; what was transparent before stays so."""
    from PIL import Image, ImageChops

    layered = picture.convert("RGBA")
    layered.putalpha(ImageChops.multiply(layered.getchannel("A"), mask))
    if ground is None:
        return layered
    behind = Image.new("RGBA", layered.size, ground)
    made = Image.alpha_composite(behind, layered)
    return made.convert("RGB") if ground[3] == 255 else made


def _tell(mask: Any) -> None:
    """Records how much was found, and says so where it is nothing or everything."""
    counts = mask.histogram()
    share = sum(level * count for level, count in enumerate(counts)) / 255 / sum(counts)
    current_scope().record_metric("share_kept", round(share, 4))
    if share < NOTHING:
        print("Found nothing to cut out: no part of the picture stands out from the rest.")
    elif share > 1 - NOTHING:
        print("The whole picture seems to be the thing: nothing was taken away.")
