"""How far away things are in a picture: any model of transformers that estimates depth (DPT, Depth
Anything, GLPN, ZoeDepth, Depth Pro).
"""

from __future__ import annotations

import tempfile
from pathlib import Path as FilePath
from typing import Any

from picture_reading import fit
from pictures import on_white, opened
from pretrained import beside, on_device, pretrained

from cog import BasePredictor, Input, Path, current_scope

SMALLEST = 32
LONGEST = 8
"""Pixels a side, and times as long as wide: of less, or more, no whole patch would be left."""

IN_METRES = {"glpn", "zoedepth", "depth_pro"}
"""Kinds of model that give distances; the others give what is the larger, the nearer a thing is."""


class DepthEstimation(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its image processor."""
        self.model = pretrained("AutoModelForDepthEstimation", weights, precision, trust_code)
        self.processor = beside("AutoImageProcessor", weights, trust_code)
        config = self.model.config
        given = getattr(config, "depth_estimation_type", "")
        self.in_metres = config.model_type in IN_METRES or given == "metric"

    def predict(
        self,
        image: Path = Input(description="The picture to look into.", accept="image/*"),
        output: str = Input(
            default="grey",
            choices=["grey", "grey, 16 bits", "colours"],
            description="How depth is shown: the nearer, the lighter, or from blue to red.",
        ),
    ) -> Path:
        """A PNG as large as the picture."""
        picture = on_white(opened(image))
        near = self._nearness(picture)
        path = FilePath(tempfile.mkdtemp()) / "depth.png"
        _SHOWN[output](near).save(path)
        return Path(path)

    def _nearness(self, picture: Any) -> Any:
        """For each point from 0, the farthest, to 1."""
        import torch

        inputs = self.processor(images=fit(picture, SMALLEST, LONGEST), return_tensors="pt")
        with torch.no_grad():
            seen = self.model(**on_device(inputs, self.model))
        size = [(picture.height, picture.width)]
        (found,) = self.processor.post_process_depth_estimation(seen, size)
        depth = found["predicted_depth"].float().cpu().numpy().reshape(*size[0])
        low, high = float(depth.min()), float(depth.max())
        if self.in_metres:
            current_scope().record_metric("nearest_metres", round(low, 3))
            current_scope().record_metric("farthest_metres", round(high, 3))
        if high - low < 1e-6:
            print("Everything is equally far away.")
        share = (depth - low) / max(high - low, 1e-6)
        return 1 - share if self.in_metres else share


def _grey(near: Any) -> Any:
    from PIL import Image

    return Image.fromarray((near * 255).round().astype("uint8"))


def _fine(near: Any) -> Any:
    from PIL import Image

    return Image.fromarray((near * 65535).round().astype("uint16"))


def _colours(near: Any) -> Any:
    """Blue over green and yellow to red."""
    import numpy
    from PIL import Image

    places = (0, 0.25, 0.5, 0.75, 1)
    colours = ((30, 30, 110), (25, 120, 190), (60, 185, 120), (245, 205, 60), (205, 40, 40))
    bands = [numpy.interp(near, places, band) for band in zip(*colours, strict=True)]
    return Image.fromarray(numpy.stack(bands, -1).round().astype("uint8"))


_SHOWN = {"grey": _grey, "grey, 16 bits": _fine, "colours": _colours}
