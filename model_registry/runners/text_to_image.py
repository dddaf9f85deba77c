"""Pictures from text, or from a picture and text: any diffusers pipeline that takes a prompt."""

from __future__ import annotations

import inspect
import secrets
import tempfile
from pathlib import Path as FilePath
from typing import Any

import pictures
from latent_preview import LatentPreview
from taught import tell_unknown

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

SMALL = 50_000_000
"""Parameters below which more threads gain nothing, and lose much on a busy processor."""


class TextToImage(BasePredictor):
    def setup(self, weights: str) -> None:
        """`weights` is a folder (or a repository's id) that `DiffusionPipeline` loads."""
        import torch

        # Not `AutoPipelineForText2Image`: importing it imports every family of pipelines there is.
        from diffusers import DiffusionPipeline
        from diffusers.utils import logging
        from transformers.utils import logging as transformers_logging

        for log in (logging, transformers_logging):
            log.disable_progress_bar()
            log.set_verbosity_error()
        cuda = torch.cuda.is_available()
        halves = cuda and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = torch.float32 if not cuda else torch.bfloat16 if halves else torch.float16
        self.pipeline = DiffusionPipeline.from_pretrained(weights, dtype=precision)
        self.pipeline.to("cuda" if cuda else "cpu")
        self.pipeline.set_progress_bar_config(disable=True)
        if not cuda and _parameters(self.pipeline) < SMALL:
            torch.set_num_threads(1)
        self.accepted = frozenset(inspect.signature(self.pipeline.__call__).parameters)
        if "prompt" not in self.accepted:
            kind = type(self.pipeline).__name__
            raise ValueError(f"{weights} holds a {kind}, which does not take a prompt.")
        self.from_picture = _from_picture(self.pipeline)
        self.preview = LatentPreview(self.pipeline)
        self.weights = weights

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
        import torch

        seed = secrets.randbits(32) if seed is None else seed
        print(f"Using seed: {seed}")
        current_scope().record_metric("seed", seed)
        settings = self._settings(prompt, negative_prompt, width, height)
        settings |= {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale}
        steps = num_inference_steps
        if image is not None:
            settings |= self._start(image, prompt_strength, settings)
            steps = min(int(steps * prompt_strength), steps)
            if not steps:
                raise InvalidInput(
                    f"prompt_strength is {prompt_strength}: of {num_inference_steps} steps none "
                    f"would be left to do. Use at least {1 / num_inference_steps:.2f}."
                )
        self.preview.start()
        folder = FilePath(tempfile.mkdtemp())
        made = []
        for number in range(num_outputs):
            # Noise made on the CPU is the same on every device.
            settings["generator"] = torch.Generator("cpu").manual_seed((seed + number) % 2**63)
            settings["callback_on_step_end"] = self._reporting(
                number * steps, num_outputs * steps, settings
            )
            picture = self._draw(settings)
            path = folder / f"out-{number}.{output_format}"
            picture.convert("RGB").save(path, quality=output_quality)
            made.append(Path(path))
        return made

    def _reporting(self, before: int, total: int, settings: dict[str, Any]) -> Any:
        """The pipeline's call after each step."""

        def on_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> Any:
            current_scope().progress(before + step + 1, total, unit="step")
            self.preview.show(tensors["latents"], settings)
            return tensors

        return on_step

    def _settings(
        self, prompt: str, negative_prompt: str, width: int | None, height: int | None
    ) -> dict[str, Any]:
        """What the pipeline is called with. Refuses what it would ignore."""
        settings: dict[str, Any] = {"prompt": prompt}
        if negative_prompt:
            if "negative_prompt" not in self.accepted:
                raise InvalidInput("This model takes no negative prompt; leave it empty.")
            settings["negative_prompt"] = negative_prompt
        for name, size in (("width", width), ("height", height)):
            if size is not None:
                settings[name] = self._rounded(name, size)
        tell_unknown(f"{prompt} {negative_prompt}", self.weights)
        self._warn_of_truncation(prompt)
        return settings

    def _start(self, image: Path, strength: float, settings: dict[str, Any]) -> dict[str, Any]:
        """What a pipeline that starts from a picture is called with besides: the picture, cut and
        scaled to the size asked for, else to the model's own.
        """
        from PIL import ImageOps

        if self.from_picture is None:
            raise InvalidInput("This model cannot start from a picture; leave image empty.")
        given = pictures.on_white(pictures.opened(image))
        own = self._own_size()
        size = settings.get("width", own), settings.get("height", own)
        if given.size != size:
            print(f"The image, {given.width} × {given.height}, is taken at {size[0]} × {size[1]}.")
        fitted = ImageOps.fit(given, size)
        return {"image": fitted, "strength": strength, "width": size[0], "height": size[1]}

    def _own_size(self) -> int:
        """The width and height, in pixels, that the model draws when nothing is asked."""
        pipeline = self.pipeline
        latents = getattr(pipeline, "default_sample_size", None) or pipeline.unet.config.sample_size
        return int(latents * pipeline.vae_scale_factor)

    def _rounded(self, name: str, size: int) -> int:
        step = max(8, getattr(self.pipeline, "vae_scale_factor", 8))
        if "transformer" in self.pipeline.components:
            step *= 2  # transformers read the latents in patches of 2 × 2
        rounded = max(step, round(size / step) * step)
        if rounded != size:
            print(f"The {name} is {rounded}, not {size}: this model needs a multiple of {step}.")
        return rounded

    def _warn_of_truncation(self, prompt: str) -> None:
        names = ("tokenizer", "tokenizer_2", "tokenizer_3")
        tokenizers = [found for name in names if (found := self.pipeline.components.get(name))]
        if not tokenizers:
            return
        longest = max(tokenizers, key=lambda tokenizer: tokenizer.model_max_length)
        count = len(longest(prompt).input_ids)
        if count > longest.model_max_length:
            print(
                f"The prompt has {count} tokens; the model reads the first "
                f"{longest.model_max_length}, the rest has no effect."
            )

    def _draw(self, settings: dict[str, Any]) -> Any:
        pipeline = self.from_picture if "image" in settings else self.pipeline
        takes = inspect.signature(pipeline.__call__).parameters
        taken = {name: value for name, value in settings.items() if name in takes}
        return pipeline(**taken).images[0]


def _from_picture(pipeline: Any) -> Any:
    """The pipeline of the same family that starts from a picture, over the same parts; None if
    there is none. diffusers names it after the one that starts from noise.
    """
    import diffusers

    name = type(pipeline).__name__.replace("Pipeline", "Img2ImgPipeline")
    family = getattr(diffusers, name, None)
    if family is None:
        return None
    # Not `from_pipe`: it refuses parts of another class than the family's usual one.
    known = {**pipeline.config, **pipeline.components}
    wanted = inspect.signature(family).parameters
    made = family(**{part: value for part, value in known.items() if part in wanted})
    made.set_progress_bar_config(disable=True)
    return made


def _parameters(pipeline: Any) -> int:
    parts = [part for part in pipeline.components.values() if hasattr(part, "parameters")]
    return sum(each.numel() for part in parts for each in part.parameters())
