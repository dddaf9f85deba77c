"""Pictures from text, or from a picture and text: any diffusers pipeline that takes a prompt.

One class for each form that callers know: sizes in pixels, sizes by aspect ratio, a single picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aspect_ratios
import pictures
import pipelines
from drawing import Drawing, tell_not_faster, tell_not_rewritten, tell_unchecked
from painter import Painter, fitted

from cog import BasePredictor, Input, InvalidInput, Path

MOST_PICTURES = 5
"""To draw after, at once: each makes a run longer and takes memory."""

Sizes = Mapping[str, Mapping[str, Sequence[int]]]
"""Resolution → aspect ratio → width and height."""


class TextToImage(BasePredictor):
    """Sizes in pixels."""

    def setup(
        self, weights: str, precision: str = "", always: dict[str, Any] | None = None
    ) -> None:
        """`weights` is a folder that `DiffusionPipeline` loads; `always` goes into each call."""
        self.painter = Painter(weights, precision, always)

    def predict(
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
        return _drawn(painter, drawing, settings, output_format, output_quality)


class TextToImageByRatio(BasePredictor):
    """Sizes by aspect ratio, several pictures."""

    def setup(
        self,
        weights: str,
        precision: str = "",
        always: dict[str, Any] | None = None,
        sizes: Sizes | None = None,
    ) -> None:
        """`sizes` gives the sizes of each resolution; without it, resolutions are megapixels."""
        self.painter = Painter(weights, precision, always)
        self.sizes = sizes

    def predict(
        self,
        prompt: str = Input(description="Prompt for generated image"),
        negative_prompt: str = Input(default="", description="What the picture should not show"),
        aspect_ratio: str = Input(
            default="1:1",
            choices=list(aspect_ratios.SIZES),
            description="Aspect ratio for the generated image",
        ),
        image: Path | None = Input(
            default=None,
            description="Input image for image to image mode. The aspect ratio of your output will "
            "match this image",
        ),
        images: list[Path] = Input(
            default=[],
            description="Pictures to draw after: up to 5, which the prompt may speak of",
        ),
        prompt_strength: float = Input(
            default=0.8,
            ge=0,
            le=1,
            description="Prompt strength when using img2img. 1.0 corresponds to full destruction "
            "of information in image",
        ),
        num_outputs: int = Input(
            default=1, ge=1, le=4, description="Number of outputs to generate"
        ),
        num_inference_steps: int = Input(
            default=28, ge=1, le=50, description="Number of denoising steps"
        ),
        guidance: float = Input(default=3, ge=0, le=10, description="Guidance for generated image"),
        seed: int | None = Input(
            default=None, description="Random seed. Set for reproducible generation"
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
        disable_safety_checker: bool = Input(
            default=False,
            description="There is no safety checker here: true keeps the log from saying so",
        ),
        go_fast: bool = Input(
            default=True,
            description="Without effect here: the precision is what fits this machine's memory",
        ),
        megapixels: str = Input(
            default="1",
            choices=["1", "0.25"],
            description="Approximate number of megapixels for generated image",
        ),
        prompt_upsampling: bool = Input(
            default=False,
            description="Without effect here: the prompt is used as it is",
        ),
        lora_weights: str | None = Input(
            default=None,
            description="LoRA weights: a repository of the Hub (owner/name, or "
            "owner/name/file.safetensors), or the https address of a .safetensors file",
        ),
        lora_scale: float = Input(
            default=1,
            ge=-1,
            le=3,
            description="Determines how strongly the main LoRA should be applied",
        ),
        lora_file: Path | None = Input(
            default=None, description="LoRA weights as a .safetensors file of your own"
        ),
    ) -> list[Path]:
        """Makes the pictures one after another; the one numbered n uses the seed + n."""
        painter = self.painter
        tell_unchecked(disable_safety_checker)
        tell_not_faster(go_fast)
        tell_not_rewritten(prompt_upsampling)
        drawing = Drawing(painter.preview, seed, num_outputs)
        settings = {
            "num_inference_steps": num_inference_steps,
            **painter.words(prompt, negative_prompt, guidance),
        }
        if len(images) > MOST_PICTURES:
            raise InvalidInput(f"{len(images)} images are given; {MOST_PICTURES} are allowed.")
        given = [pictures.opened(each) for each in (images if image is None else [image])]
        size = self._size(aspect_ratio, megapixels, given)
        settings |= _after(painter, given, size, prompt_strength, settings)
        painter.lora.use(lora_weights, lora_scale, lora_file)
        return _drawn(painter, drawing, settings, output_format, output_quality)

    def _size(self, ratio: str, resolution: str, given: list[Any]) -> tuple[int, int]:
        sizes = self.sizes[resolution] if self.sizes else aspect_ratios.SIZES
        megapixels = 1 if self.sizes else float(resolution)
        multiple = self.painter.multiple
        if ratio != "match_input_image":
            width, height = aspect_ratios.size_of(ratio, megapixels, sizes, multiple)
        elif given:
            width, height = aspect_ratios.size_of_area(*given[0].size, megapixels, multiple)
        else:
            raise InvalidInput("aspect_ratio is match_input_image, but no image is given.")
        return width, height


class OneImage(BasePredictor):
    """Sizes by aspect ratio or in pixels, a single picture."""

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
        settings |= _after(painter, given, size, prompt_strength, settings)
        return _drawn(painter, drawing, settings, output_format, output_quality)[0]

    def _size(self, ratio: str, width: int | None, height: int | None) -> tuple[int, int]:
        if ratio != "custom":
            if width or height:
                print(f"width and height are not used: the aspect_ratio is {ratio}, not custom.")
            width, height = aspect_ratios.size_of(ratio, multiple=self.painter.multiple)
            return width, height
        if not width or not height:
            raise InvalidInput("With aspect_ratio=custom, give width and height.")
        return self.painter.side("width", width), self.painter.side("height", height)


def _after(
    painter: Painter,
    given: list[Any],
    size: tuple[int, int],
    strength: float,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Size and pictures as the pipeline takes them. One that takes pictures itself draws a new one
    after them, at the size asked for; any other starts from the one, at the picture's own size.
    """
    sized = {"width": size[0], "height": size[1]}
    if not given:
        return sized
    upright = [pictures.on_white(each) for each in given]
    if "image" in painter.accepted:
        return {**sized, "image": [_large_enough(each, painter.multiple) for each in upright]}
    if len(upright) > 1:
        raise InvalidInput("This model starts from one picture; give one.")
    own = aspect_ratios.size_like(*upright[0].size, painter.multiple)
    over: dict[str, Any] = painter.over(upright[0], strength, settings, own)
    return over


def _large_enough(picture: Any, multiple: int) -> Any:
    """The picture, enlarged where the model could not even read it."""
    if min(picture.size) >= 4 * multiple:
        return picture
    return fitted(picture, aspect_ratios.size_like(*picture.size, multiple))


def _drawn(
    painter: Painter,
    drawing: Drawing,
    settings: dict[str, Any],
    output_format: str,
    output_quality: int,
) -> list[Path]:
    pipeline = painter.chosen(settings)
    for _ in range(drawing.number):
        picture = drawing.draw(pipeline, {**settings, "generator": drawing.generator()})
        drawing.save(picture, output_format, output_quality)
    files: list[Path] = drawing.files()
    return files
