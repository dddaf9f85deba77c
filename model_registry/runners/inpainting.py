"""A part of a picture drawn anew: any diffusers pipeline that takes a picture and a mask."""

from __future__ import annotations

from typing import Any

import aspect_ratios
import pictures
import schedulers
from drawing import Drawing
from painter import Painter, fitted

from cog import BasePredictor, Input, InvalidInput, Path

FEATHER = 4
"""Pixels over which what is drawn into a mask goes over into the picture."""


class Inpaint(BasePredictor):
    """A picture and a mask of what to draw anew; the rest of the picture stays as it is."""

    def setup(
        self,
        weights: str,
        precision: str = "",
        always: dict[str, Any] | None = None,
        variant: str | None = None,
        checkpoint: dict[str, Any] | None = None,
        parts: dict[str, str] | None = None,
    ) -> None:
        """`weights` is a folder that `DiffusionPipeline` loads, `variant` the one of its files;
        `always` goes into each call. With a `checkpoint` it has one file, and the part `settings`
        says what is in it.
        """
        settings = (parts or {}).get("settings", "")
        self.painter = Painter(
            weights, precision, always, variant=variant, checkpoint=checkpoint, settings=settings
        )
        if "mask_image" not in self.painter.accepted:
            kind = type(self.painter.pipeline).__name__
            raise ValueError(f"{weights} holds a {kind}, which draws into no mask.")
        self.sampling = self.painter.pipeline.scheduler.config

    def predict(  # type: ignore[misc]  # a list to who calls, given one by one
        self,
        prompt: str = Input(description="What to draw where the mask is white"),
        image: Path = Input(description="The picture to draw into"),
        mask: Path = Input(description="White where to draw anew, black where to keep the picture"),
        negative_prompt: str = Input(default="", description="What should not be drawn"),
        strength: float = Input(
            default=0.99,
            ge=0.01,
            le=1,
            description="How far to leave behind what is there; 1 keeps nothing of it",
        ),
        scheduler: str = Input(
            default="K_EULER", choices=list(schedulers.SCHEDULERS), description="The sampler"
        ),
        num_inference_steps: int = Input(
            default=20, ge=1, le=100, description="More steps take longer and give more detail"
        ),
        guidance_scale: float = Input(
            default=8.0, ge=0, le=20, description="How strictly to follow the prompt"
        ),
        num_outputs: int = Input(default=1, ge=1, le=4, description="How many pictures to make"),
        seed: int | None = Input(
            default=None, description="The same seed gives the same picture; unset, a random one"
        ),
        output_format: str = Input(
            default="png", choices=["webp", "jpg", "png"], description="The format of the files"
        ),
        output_quality: int = Input(
            default=90, ge=0, le=100, description="For webp and jpg: 100 is best and largest"
        ),
    ) -> list[Path]:
        """Makes the pictures one after another; the one numbered n uses the seed + n."""
        painter = self.painter
        if int(num_inference_steps * strength) < 1:
            raise InvalidInput(
                f"strength is {strength}: of {num_inference_steps} steps none would be left to do. "
                f"Use at least {1 / num_inference_steps:.2f}."
            )
        given = pictures.on_white(pictures.opened(image))
        size = aspect_ratios.size_like(*given.size, painter.multiple)
        given = fitted(given, size)
        covering = fitted(pictures.opened(mask, "mask").convert("L"), size, "mask")
        if not covering.getbbox():
            raise InvalidInput("The mask is black all over: paint white where to draw anew.")
        drawing = Drawing(painter.preview, seed, num_outputs)
        settings = painter.words(prompt, negative_prompt, guidance_scale) | {
            "image": given,
            "mask_image": covering,
            "strength": strength,
            "num_inference_steps": num_inference_steps,
            "width": size[0],
            "height": size[1],
        }
        painter.pipeline.scheduler = schedulers.scheduler(scheduler, self.sampling)
        for _ in range(num_outputs):
            drawn = drawing.draw(painter.pipeline, {**settings, "generator": drawing.generator()})
            yield drawing.save(_into(given, drawn, covering), output_format, output_quality)


def _into(picture: Any, drawn: Any, mask: Any) -> Any:
    """What was drawn, in the mask; the picture's own pixels outside of it."""
    from PIL import Image, ImageChops, ImageFilter

    soft = mask.filter(ImageFilter.GaussianBlur(FEATHER))
    return Image.composite(drawn.convert("RGB"), picture, ImageChops.darker(mask, soft))
