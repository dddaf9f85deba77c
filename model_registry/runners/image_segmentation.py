"""A picture parted into what is in it: models of transformers that segment, by kind (SegFormer,
UPerNet, BEiT), by thing, or both (Mask2Former, MaskFormer, EoMT, DETR).
"""

from __future__ import annotations

import tempfile
from pathlib import Path as FilePath
from typing import Any, TypedDict

from colours import colour, coloured, grey
from picture_reading import fit
from pictures import on_white, opened
from pretrained import on_device, pretrained, trusting

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

CLASSES = (
    "AutoModelForUniversalSegmentation",
    "AutoModelForInstanceSegmentation",
    "AutoModelForSemanticSegmentation",
    "AutoModelForImageSegmentation",
)
"""In the order in which a folder is tried with them."""

WAYS = ("panoptic", "instance", "semantic")


class Segment(TypedDict):
    """`share` of the picture; `color` in which it is shown; `value` of its pixels in the mask."""

    label: str
    score: float | None
    share: float
    color: str
    value: int


class Output(TypedDict):
    """The picture with its parts in colours, and a picture whose values number the parts."""

    image: Path
    mask: Path
    segments: list[Segment]


class ImageSegmentation(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its image processor."""
        import transformers
        from transformers import AutoConfig, AutoImageProcessor

        trust = trusting(trust_code)
        config = AutoConfig.from_pretrained(weights, **trust)
        kind = next(
            (
                name
                for name in CLASSES
                if type(config) in getattr(transformers, name)._model_mapping
            ),
            CLASSES[-1],
        )
        self.model = pretrained(kind, weights, precision, trust_code)
        self.processor = AutoImageProcessor.from_pretrained(weights, **trust)
        there = [way for way in WAYS if hasattr(self.processor, f"post_process_{way}_segmentation")]
        # What knows kinds only would take all things of a kind for one.
        self.ways = ["semantic"] if kind == CLASSES[2] else there

    def predict(
        self,
        image: Path = Input(description="The picture to part.", accept="image/*"),
        way: str = Input(
            default="auto",
            choices=["auto", *WAYS],
            description="By kind (semantic), thing by thing (instance), or both (panoptic); auto "
            "takes the most that the model can do.",
        ),
        threshold: float = Input(
            default=0.5,
            ge=0,
            le=1,
            description="How sure the model must be of a thing. Kinds have no such number.",
        ),
        opacity: float = Input(
            default=0.6, ge=0, le=1, description="How far the colours cover the picture."
        ),
    ) -> Output:
        """The parts, the largest first."""
        chosen = self.ways[0] if way == "auto" else way
        if chosen not in self.ways:
            raise InvalidInput(
                f"way is {way!r}; this model can do auto and {', '.join(self.ways)}."
            )
        picture = on_white(opened(image))
        places, found = self._parts(picture, chosen, threshold)
        current_scope().record_metric("segments", len(found))
        if not found:
            print("Found nothing. A lower threshold may show what the model is less sure of.")
        folder = FilePath(tempfile.mkdtemp())
        coloured(picture, places, found, opacity).save(folder / "segments.png")
        grey(places).save(folder / "mask.png")
        return Output(
            image=Path(folder / "segments.png"), mask=Path(folder / "mask.png"), segments=found
        )

    def _parts(self, picture: Any, way: str, threshold: float) -> tuple[Any, list[Segment]]:
        """For each point the number of its part, 0 for none, and the parts from 1."""
        import numpy
        import torch

        inputs = self.processor(images=fit(picture), return_tensors="pt")
        with torch.no_grad():
            seen = self.model(**on_device(inputs, self.model))
        finish = getattr(self.processor, f"post_process_{way}_segmentation")
        size = [(picture.height, picture.width)]
        if way == "semantic":
            (kinds,) = finish(seen, target_sizes=size)
            where = kinds.cpu().numpy()
            told = [{"id": kind, "label_id": kind} for kind in numpy.unique(where).tolist()]
        else:
            (made,) = finish(seen, threshold=threshold, target_sizes=size)
            where, told = made["segmentation"].cpu().numpy(), made["segments_info"]
        sizes = {each["id"]: int((where == each["id"]).sum()) for each in told}
        told = sorted((each for each in told if sizes[each["id"]]), key=lambda e: -sizes[e["id"]])
        places = numpy.zeros(where.shape, numpy.uint16)
        found = []
        for number, each in enumerate(told, 1):
            places[where == each["id"]] = number
            score = each.get("score")
            found.append(
                Segment(
                    label=str(self.model.config.id2label[int(each["label_id"])]),
                    score=None if score is None else round(float(score), 4),
                    share=round(sizes[each["id"]] / where.size, 4),
                    color=colour(number),
                    value=number,
                )
            )
        return places, found
