"""What lies at a point or in a box of a picture, cut out along its edges, or all that there is: SAM
and SAM 2 in transformers.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path as FilePath
from typing import Any, TypedDict

from colours import colour, coloured, grey
from picture_reading import fit
from pictures import on_white, opened
from pretrained import pretrained

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

AT_ONCE = 64
"""Points that go through the model together."""
SAME = 0.7
"""How much two boxes have in common, at least, that are taken for one thing's."""
STABLE = 0.95
"""How much of a part stays, at least, where its edge is drawn a little stricter."""
MOST = 250
"""Parts that are told apart."""


class Part(TypedDict):
    """`score` is how well it is cut out, as the model thinks; `share` of the picture; `box` is
    left, top, right, bottom in pixels; `color` in which it is shown; `value` in the mask.
    """

    score: float
    share: float
    box: list[int]
    color: str
    value: int


class Output(TypedDict):
    """The picture with its parts in colours, and a picture whose values number the parts."""

    image: Path
    mask: Path
    parts: list[Part]


class MaskGeneration(BasePredictor):
    def setup(self, weights: str, precision: str = "") -> None:
        """`weights` is a folder with a model and the settings of its image processor."""
        self.model = pretrained("AutoModelForMaskGeneration", weights, precision)
        file = FilePath(weights, "preprocessor_config.json")
        said = json.loads(file.read_text()) if file.is_file() else {}
        self.mean = said.get("image_mean") or [0.485, 0.456, 0.406]
        self.deviation = said.get("image_std") or [0.229, 0.224, 0.225]
        self.side = int(self.model.config.prompt_encoder_config.image_size)
        # The first stretches pictures to squares no more, but fills them up.
        self.stretches = self.model.config.model_type.startswith("sam2")

    def predict(
        self,
        image: Path = Input(description="The picture to cut from.", accept="image/*"),
        points: list[str] = Input(
            default=[],
            description="What is to be cut out: points on it, each as x,y in pixels from the top "
            "left. Without points and a box all that there is is cut out.",
        ),
        points_beside: list[str] = Input(
            default=[], description="Points that do not belong to it, each as x,y."
        ),
        box: str = Input(
            default="", description="A box around it, as left,top,right,bottom in pixels."
        ),
        points_per_side: int = Input(
            default=16,
            ge=1,
            le=64,
            description="Without points and a box: in how many places of each row and column it "
            "is looked. More find smaller things, and take longer.",
        ),
        threshold: float = Input(
            default=0.88,
            ge=0,
            le=1,
            description="Without points and a box: how well a part must be cut out, as the model "
            "thinks.",
        ),
        opacity: float = Input(
            default=0.6, ge=0, le=1, description="How far the colours cover the picture."
        ),
    ) -> Output:
        """The parts, the largest first."""
        import torch

        picture = fit(on_white(opened(image)))
        marks = [(*_numbers(each, 2, "points", picture), 1) for each in points]
        marks += [(*_numbers(each, 2, "points_beside", picture), 0) for each in points_beside]
        around = _numbers(box, 4, "box", picture) if box.strip() else None
        if marks and not around and not points:
            raise InvalidInput("points_beside needs a point or a box of what is to be cut out.")
        with torch.no_grad():
            seen = self._seen(picture)
            if marks or around:
                found = [self._marked(seen, marks, around)]
            else:
                found = self._all(seen, points_per_side, threshold)
            places, parts = self._parts(found, picture)
        current_scope().record_metric("segments", len(parts))
        if not parts:
            print("Found nothing. A lower threshold may show what the model is less sure of.")
        folder = FilePath(tempfile.mkdtemp())
        coloured(picture, places, parts, opacity).save(folder / "parts.png")
        grey(places).save(folder / "mask.png")
        return Output(image=Path(folder / "parts.png"), mask=Path(folder / "mask.png"), parts=parts)

    def _seen(self, picture: Any) -> Any:
        """What the model makes of the picture, once for all points."""
        import numpy
        import torch
        from PIL import Image

        wide, high = self._size(picture.size)
        resized = picture.resize((wide, high), Image.Resampling.BILINEAR)
        pixels = numpy.asarray(resized, numpy.float32) / 255
        filled = numpy.zeros((self.side, self.side, 3), numpy.float32)
        filled[:high, :wide] = (pixels - numpy.array(self.mean)) / numpy.array(self.deviation)
        given = torch.from_numpy(filled).permute(2, 0, 1)[None]
        self.turned = picture.width, picture.height, wide, high
        return self.model.get_image_embeddings(given.to(self.model.device, self.model.dtype))

    def _size(self, size: tuple[int, int]) -> tuple[int, int]:
        if self.stretches:
            return self.side, self.side
        share = self.side / max(size)
        wide, high = (max(1, int(each * share + 0.5)) for each in size)
        return wide, high

    def _scaled(self, numbers: Any) -> Any:
        import torch

        width, height, wide, high = self.turned
        turn = torch.tensor([wide / width, high / height] * (len(numbers[0]) // 2))
        scaled = torch.tensor(numbers, dtype=torch.float32) * turn
        return scaled.to(self.model.device, self.model.dtype)

    def _marked(self, seen: Any, marks: list[Any], around: Any) -> tuple[Any, float]:
        """The mask that the model likes best, and how much."""
        import torch

        given: dict[str, Any] = {}
        if marks:
            given["input_points"] = self._scaled([mark[:2] for mark in marks])[None, None]
            labels = torch.tensor([mark[2] for mark in marks])
            given["input_labels"] = labels[None, None].to(self.model.device)
        if around:
            given["input_boxes"] = self._scaled([around])[None]
        # One point may mean a thing or a part of it; more say which.
        several = len(marks) == 1 and not around
        made = self.model(image_embeddings=seen, multimask_output=several, **given)
        scores, masks = made.iou_scores[0, 0].float(), made.pred_masks[0, 0].float()
        best = int(scores.argmax())
        current_scope().progress(1, 1, "point")
        return masks[best], float(scores[best])

    def _all(self, seen: Any, per_side: int, threshold: float) -> list[tuple[Any, float]]:
        import torch

        width, height, *_ = self.turned
        steps = [(number + 0.5) / per_side for number in range(per_side)]
        grid = [(x * width, y * height) for y in steps for x in steps]
        kept: list[tuple[Any, float]] = []
        for start in range(0, len(grid), AT_ONCE):
            batch = self._scaled(grid[start : start + AT_ONCE])[None, :, None]
            labels = torch.ones(batch.shape[:3], dtype=torch.long, device=batch.device)
            made = self.model(image_embeddings=seen, input_points=batch, input_labels=labels)
            scores = made.iou_scores[0].flatten(0, 1).float()
            masks = made.pred_masks[0].flatten(0, 1).float()
            inner, outer = ((masks > edge).sum((-2, -1)) for edge in (1, -1))
            good = (scores >= threshold) & (inner >= outer * STABLE) & (inner > 0)
            kept += zip(masks[good], scores[good].tolist(), strict=True)
            current_scope().progress(min(start + AT_ONCE, len(grid)), len(grid), "point")
        return _different(kept)[:MOST]

    def _parts(self, found: list[tuple[Any, float]], picture: Any) -> tuple[Any, list[Part]]:
        """For each pixel the number of the smallest part there, 0 for none; the parts from 1."""
        import numpy
        import torch

        width, height, wide, high = self.turned
        masks = []
        for mask, score in found:
            large = torch.nn.functional.interpolate(
                mask[None, None], (self.side, self.side), mode="bilinear"
            )[..., :high, :wide]
            exact = torch.nn.functional.interpolate(large, (height, width), mode="bilinear")
            masks.append(((exact[0, 0] > 0).cpu().numpy(), score))
        masks = sorted((each for each in masks if each[0].any()), key=lambda each: -each[0].sum())
        places = numpy.zeros((height, width), numpy.uint16)
        parts = []
        for number, (mask, score) in enumerate(masks, 1):
            places[mask] = number
            parts.append(
                Part(
                    score=round(score, 4),
                    share=round(float(mask.mean()), 4),
                    box=_box(mask),
                    color=colour(number),
                    value=number,
                )
            )
        return places, parts


def _numbers(text: str, count: int, name: str, picture: Any) -> tuple[float, ...]:
    try:
        numbers = tuple(float(each) for each in text.strip("[]() ").split(","))
    except ValueError:
        numbers = ()
    what = "x,y" if count == 2 else "left,top,right,bottom"
    if len(numbers) != count:
        raise InvalidInput(f"{name} has {text!r}; it must be {what} in pixels, such as 40,25.")
    limits = (picture.width, picture.height) * (count // 2)
    if not all(0 <= each <= most for each, most in zip(numbers, limits, strict=True)):
        raise InvalidInput(
            f"{name} has {text!r}, which is not within the picture of {picture.width} by "
            f"{picture.height} pixels."
        )
    if count == 4 and (numbers[0] >= numbers[2] or numbers[1] >= numbers[3]):
        raise InvalidInput(f"box is {text!r}; it must be {what}, and left less than right.")
    return numbers


def _box(mask: Any) -> list[int]:
    import numpy

    rows, columns = (numpy.flatnonzero(mask.any(side)) for side in (1, 0))
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def _different(found: list[tuple[Any, float]]) -> list[tuple[Any, float]]:
    """The best of those whose boxes are nearly the same."""
    kept: list[tuple[Any, float]] = []
    boxes: list[list[int]] = []
    for mask, score in sorted(found, key=lambda each: -each[1]):
        box = _box((mask > 0).cpu().numpy())
        if all(_shared(box, other) <= SAME for other in boxes):
            kept.append((mask, score))
            boxes.append(box)
    return kept


def _shared(one: list[int], other: list[int]) -> float:
    """How much of two boxes is in both."""

    def area(left: int, top: int, right: int, bottom: int) -> int:
        return max(0, right - left) * max(0, bottom - top)

    both = area(*map(max, one[:2], other[:2]), *map(min, one[2:], other[2:]))
    return both / (area(*one) + area(*other) - both)
