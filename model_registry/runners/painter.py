"""A pipeline that draws from words, and from a picture where its family can: what the runners of
pictures share. No runner: they import it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import aspect_ratios
import pictures
import pipelines
from drawing import Drawing
from latent_preview import LatentPreview
from lora import Lora
from taught import tell_unknown

from cog import InvalidInput, Path


class Painter:
    """`always` are arguments of each call that are no matter of a run; `given` parts of the
    pipeline that come from elsewhere.
    """

    def __init__(
        self,
        weights: str,
        rung: str = "",
        always: Mapping[str, Any] | None = None,
        **given: Any,
    ) -> None:
        self.pipeline = pipelines.load(weights, rung, **given)
        self.always = dict(always or {})
        self.accepted = pipelines.parameters(self.pipeline)
        if "prompt" not in self.accepted:
            kind = type(self.pipeline).__name__
            raise ValueError(f"{weights} holds a {kind}, which does not take a prompt.")
        self.from_picture = pipelines.related(self.pipeline, "Img2Img")
        self.preview = LatentPreview(self.pipeline)
        self.lora = Lora(self.pipeline)
        self.multiple: int = pipelines.multiple(self.pipeline)
        self.weights = weights

    def words(self, prompt: str, negative_prompt: str, guidance: float) -> dict[str, Any]:
        """What is asked for in words, as the pipeline takes it. Refuses what it would ignore."""
        name = self._guidance()
        settings: dict[str, Any] = {"prompt": prompt, name: guidance, **self.always}
        if negative_prompt.strip():
            if not self._takes_negative():
                raise InvalidInput("This model takes no negative prompt; leave it empty.")
            settings["negative_prompt"] = negative_prompt
            if settings[name] <= 1 and self._compares():
                print(f"The negative prompt has no effect: the guidance is {settings[name]:g}.")
        elif name == "true_cfg_scale" and settings[name] > 1:
            settings["negative_prompt"] = " "  # without one, this family follows no guidance
        tell_unknown(f"{prompt} {negative_prompt}", self.weights)
        pipelines.tell_truncation(self.pipeline, prompt, self.always.get("max_sequence_length"))
        return settings

    def over(
        self, picture: Any, strength: float, settings: Mapping[str, Any], size: tuple[int, int]
    ) -> dict[str, Any]:
        """What a pipeline that starts from a picture is called with besides `settings`: the
        picture, scaled and cut to the size (width, height). Raises `InvalidInput` where nothing
        would be drawn.
        """
        steps = settings["num_inference_steps"]
        if self.from_picture is None:
            raise InvalidInput("This model cannot start from a picture; leave image empty.")
        if not self._left(strength, steps):
            least = "more than 0" if self._rounds_up() else f"at least {1 / steps:.2f}"
            raise InvalidInput(
                f"prompt_strength is {strength}: of {steps} steps none would be left to do. Use "
                f"{least}."
            )
        return {
            "image": fitted(picture, size),
            "strength": strength,
            "width": size[0],
            "height": size[1],
        }

    def after(
        self,
        given: Sequence[Any],
        size: tuple[int, int],
        strength: float,
        settings: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Size and pictures as the pipeline takes them. One that takes pictures itself draws a new
        one after them, at the size asked for; any other draws over the one, at its own size.
        """
        sized = {"width": size[0], "height": size[1]}
        if not given:
            return sized
        upright = [pictures.on_white(each) for each in given]
        if "image" in self.accepted:
            return {**sized, "image": [self._large_enough(each) for each in upright]}
        if len(upright) > 1:
            raise InvalidInput("This model starts from one picture; give one.")
        own = aspect_ratios.size_like(*upright[0].size, self.multiple)
        return self.over(upright[0], strength, settings, own)

    def draw(
        self, drawing: Drawing, settings: Mapping[str, Any], output_format: str, quality: int
    ) -> Iterator[Path]:
        """Each picture of a run as a file, as soon as it is finished."""
        pipeline = self.chosen(settings)
        for _ in range(drawing.number):
            picture = drawing.draw(pipeline, {**settings, "generator": drawing.generator()})
            yield drawing.save(picture, output_format, quality)

    def side(self, name: str, given: int) -> int:
        """The nearest width or height that the model can draw; says where it is another."""
        side = max(self.multiple, round(given / self.multiple) * self.multiple)
        if side != given:
            print(
                f"The {name} is {side}, not {given}: this model needs a multiple of "
                f"{self.multiple}."
            )
        return side

    def chosen(self, settings: Mapping[str, Any]) -> Any:
        """The pipeline for these settings."""
        return self.from_picture if "strength" in settings else self.pipeline

    def _large_enough(self, picture: Any) -> Any:
        """The picture, enlarged where the model could not even read it."""
        if min(picture.size) >= 4 * self.multiple:
            return picture
        return fitted(picture, aspect_ratios.size_like(*picture.size, self.multiple))

    def _left(self, strength: float, steps: int) -> int:
        """How many of the steps are done over a picture."""
        if self._rounds_up():
            return math.ceil(min(steps * strength, steps))
        return int(steps * strength)

    def _rounds_up(self) -> bool:
        return "transformer" in self.pipeline.components

    def _guidance(self) -> str:
        """The pipeline's argument for how strictly to follow the prompt: where its own default for
        the usual one is None, that one means something else.
        """
        usual = self.accepted.get("guidance_scale")
        if "true_cfg_scale" in self.accepted and (usual is None or usual.default is None):
            return "true_cfg_scale"
        return "guidance_scale"

    def _compares(self) -> bool:
        """Whether guidance comes from a comparison with a second, negative drawing."""
        return self._guidance() == "true_cfg_scale" or "true_cfg_scale" not in self.accepted

    def _takes_negative(self) -> bool:
        return "negative_prompt" in self.accepted and (
            self._compares() or self.always.get("true_cfg_scale", 1) > 1
        )


def fitted(picture: Any, size: tuple[int, int], name: str = "image") -> Any:
    """The picture scaled and cut to the size, which is said where it is another."""
    from PIL import ImageOps

    if picture.size != size:
        print(f"The {name}, {picture.width} × {picture.height}, is taken at {size[0]} × {size[1]}.")
    return ImageOps.fit(picture, size)
