"""Pictures from text, sized by aspect ratio, with LoRA weights: any diffusers pipeline that takes a
prompt, in the form in which Replicate has FLUX and its kin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aspect_ratios
import pictures
from drawing import Drawing, tell_not_faster, tell_not_rewritten, tell_unchecked
from lora_files import Tokens
from painter import Painter

from cog import BasePredictor, Input, InvalidInput, Path, Secret

MOST_PICTURES = 5
"""To draw after, at once: each makes a run longer and takes memory."""

Sizes = Mapping[str, Mapping[str, Sequence[int]]]
"""Resolution → aspect ratio → width and height."""


class TextToImageByRatio(BasePredictor):
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

    def predict(  # type: ignore[misc]  # a list to who calls, given one by one
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
            "owner/name/file.safetensors), a model of CivitAI (civitai.com/models/number), or the "
            "https address of a .safetensors file, or of a .tar file with one in it",
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
        extra_lora: str | None = Input(
            default=None, description="Further LoRA weights, in the forms of lora_weights"
        ),
        extra_lora_scale: float = Input(
            default=1,
            ge=-1,
            le=3,
            description="Determines how strongly the extra LoRA should be applied",
        ),
        hf_api_token: Secret | None = Input(
            default=None, description="Token of the Hub, for LoRA weights that ask for one"
        ),
        civitai_api_token: Secret | None = Input(
            default=None, description="Token of CivitAI, for LoRA weights that ask for one"
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
        settings |= painter.after(given, size, prompt_strength, settings)
        extra = extra_lora, extra_lora_scale
        tokens = Tokens(
            hf_api_token and hf_api_token.get_secret_value(),
            civitai_api_token and civitai_api_token.get_secret_value(),
        )
        painter.lora.use(lora_weights, lora_scale, lora_file, extra, tokens)
        yield from painter.draw(drawing, settings, output_format, output_quality)

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
