"""Pictures from text, or from a picture and text: any diffusers pipeline that takes a prompt. Sizes
in pixels; those by aspect ratio alone are in `text_to_image_by_ratio`.
"""

from __future__ import annotations

from typing import Any

import aspect_ratios
import pictures
import pipelines
from drawing import Drawing, tell_not_faster, tell_not_rewritten, tell_unchecked
from painter import Painter

from cog import BasePredictor, Input, InvalidInput, Path


class TextToImage(BasePredictor):
    """Several pictures."""

    def setup(
        self,
        weights: str,
        precision: str = "",
        always: dict[str, Any] | None = None,
        checkpoint: dict[str, Any] | None = None,
        parts: dict[str, str] | None = None,
    ) -> None:
        """`weights` is a folder that `DiffusionPipeline` loads; `always` goes into each call. With
        a `checkpoint` it has one file, and the part `settings` says what is in it.
        """
        settings = (parts or {}).get("settings", "")
        self.painter = Painter(weights, precision, always, checkpoint=checkpoint, settings=settings)

    def predict(  # type: ignore[misc]  # a list to who calls, given one by one
        self,
        prompt: str = Input(description="What the picture should show."),
        negative_prompt: str = Input(default="", description="What it should not show."),
        width: int | None = Input(
            default=None,
            ge=16,
            le=4096,
            description="In pixels; unset, what the model was made for.",
        ),
        height: int | None = Input(
            default=None,
            ge=16,
            le=4096,
            description="In pixels; unset, what the model was made for.",
        ),
        num_outputs: int = Input(default=1, ge=1, le=4, description="How many pictures to make."),
        num_inference_steps: int = Input(
            default=30, ge=1, le=500, description="More steps take longer and give more detail."
        ),
        guidance_scale: float = Input(
            default=5.0, ge=0, le=50, description="How strictly to follow the prompt."
        ),
        image: Path | None = Input(
            default=None, description="A picture to start from instead of from noise."
        ),
        prompt_strength: float = Input(
            default=0.8,
            ge=0,
            le=1,
            description="With a picture: how far to leave it behind; 1 keeps nothing of it.",
        ),
        seed: int | None = Input(
            default=None, description="The same seed gives the same picture; unset, a random one."
        ),
        output_format: str = Input(
            default="webp", choices=["webp", "png", "jpg"], description="The format of the files."
        ),
        output_quality: int = Input(
            default=80, ge=0, le=100, description="For webp and jpg: 100 is best and largest."
        ),
    ) -> list[Path]:
        """Makes the pictures one after another; the one numbered n uses the seed + n."""
        painter = self.painter
        drawing = Drawing(painter.preview, seed, num_outputs)
        settings = {
            "num_inference_steps": num_inference_steps,
            **painter.words(prompt, negative_prompt, guidance_scale),
        }
        for name, size in (("width", width), ("height", height)):
            if size is not None:
                settings[name] = painter.side(name, size)
        if image is not None:
            own = pipelines.own_side(painter.pipeline)
            picture = pictures.on_white(pictures.opened(image))
            sides = settings.get("width", own), settings.get("height", own)
            settings |= painter.over(picture, prompt_strength, settings, sides)
        yield from painter.draw(drawing, settings, output_format, output_quality)


class OneImage(BasePredictor):
    """A single picture, its size in pixels or by aspect ratio."""

    def setup(
        self,
        weights: str,
        precision: str = "",
        always: dict[str, Any] | None = None,
        multiple: int | None = None,
    ) -> None:
        """`weights` and `always` as for `TextToImage`; sides are brought to a `multiple`, else to
        the model's own.
        """
        self.painter = Painter(weights, precision, always)
        self.painter.multiple = multiple or self.painter.multiple

    def predict(
        self,
        prompt: str = Input(description="Text prompt for image generation"),
        negative_prompt: str = Input(
            default="", description="What you do not want to see in the image"
        ),
        image: Path | None = Input(
            default=None,
            description="Input image for image to image mode. The aspect ratio of your output will "
            "match this image",
        ),
        prompt_strength: float = Input(
            default=0.85,
            ge=0,
            le=1,
            description="Prompt strength (or denoising strength) when using image to image. 1.0 "
            "corresponds to full destruction of information in image",
        ),
        aspect_ratio: str = Input(
            default="custom",
            choices=["custom", *aspect_ratios.SIZES],
            description="Aspect ratio for the generated image",
        ),
        width: int | None = Input(
            default=None,
            ge=64,
            le=2048,
            description="Width of the generated image. Only used when aspect_ratio=custom",
        ),
        height: int | None = Input(
            default=None,
            ge=64,
            le=2048,
            description="Height of the generated image. Only used when aspect_ratio=custom",
        ),
        num_inference_steps: int = Input(
            default=28, ge=1, le=100, description="Number of denoising steps"
        ),
        guidance_scale: float = Input(
            default=4, ge=0, le=20, description="How strictly to follow the prompt"
        ),
        safety_tolerance: int = Input(
            default=2,
            ge=1,
            le=6,
            description="Without effect here: nothing filters the pictures",
        ),
        prompt_upsampling: bool = Input(
            default=False,
            description="Without effect here: the prompt is used as it is",
        ),
        seed: int | None = Input(
            default=None, description="Random seed. Set for reproducible generation"
        ),
        go_fast: bool = Input(
            default=False,
            description="Without effect here: the precision is what fits this machine's memory",
        ),
        output_format: str = Input(
            default="webp",
            choices=["webp", "jpg", "png"],
            description="Format of the output images",
        ),
        output_quality: int = Input(
            default=80,
            ge=0,
            le=100,
            description="Quality when saving the output images, from 0 to 100. 100 is best "
            "quality, 0 is lowest quality. Not relevant for .png outputs",
        ),
    ) -> Path:
        """Makes one picture."""
        painter = self.painter
        tell_unchecked(safety_tolerance > 5)
        tell_not_faster(go_fast)
        tell_not_rewritten(prompt_upsampling)
        drawing = Drawing(painter.preview, seed)
        settings = {
            "num_inference_steps": num_inference_steps,
            **painter.words(prompt, negative_prompt, guidance_scale),
        }
        given = [] if image is None else [pictures.opened(image)]
        size = self._size(aspect_ratio, width, height)
        settings |= painter.after(given, size, prompt_strength, settings)
        file: Path = next(painter.draw(drawing, settings, output_format, output_quality))
        return file

    def _size(self, ratio: str, width: int | None, height: int | None) -> tuple[int, int]:
        if ratio != "custom":
            if width or height:
                print(f"width and height are not used: the aspect_ratio is {ratio}, not custom.")
            width, height = aspect_ratios.size_of(ratio, multiple=self.painter.multiple)
            return width, height
        if not width or not height:
            raise InvalidInput("With aspect_ratio=custom, give width and height.")
        return self.painter.side("width", width), self.painter.side("height", height)
