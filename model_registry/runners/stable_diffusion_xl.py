"""Stable Diffusion XL: pictures from text, over a picture or into a mask of it, with a choice of
samplers, a refiner, LoRA weights and the watermark. Also its distilled forms, of few steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

import aspect_ratios
import pictures
import pipelines
import precision as precisions
import schedulers
from drawing import Drawing, tell_unchecked
from painter import Painter, fitted
from watermark import marked

from cog import BasePredictor, Input, InvalidInput, Path

REFINED = 0.3
"""How much of a finished picture the refiner draws anew."""


class StableDiffusionXL(BasePredictor):
    def setup(
        self,
        weights: str,
        precision: str = "",
        parts: dict[str, str] | None = None,
        variant: str | None = None,
        unet_file: str | None = None,
        sampler: dict[str, Any] | None = None,
        steps: Sequence[int] = (),
    ) -> None:
        """`parts` may hold a `refiner`, a `vae` to use instead of the model's own, and the folder
        of `unet_file`: weights of a UNet that was distilled from the model's. Such a one is run
        with the settings `sampler` of its schedulers, and in one of those numbers of `steps` only.
        """
        parts = parts or {}
        dtype = precisions.pipeline(precision, weights=weights)["dtype"]
        given: dict[str, Any] = {"variant": variant, "add_watermarker": False}
        if "vae" in parts:
            from diffusers import AutoencoderKL

            given["vae"] = AutoencoderKL.from_pretrained(parts["vae"], dtype=dtype)
        if unet_file:
            given["unet"] = _unet(FilePath(weights), FilePath(parts["unet"], unet_file), dtype)
        self.painter = Painter(weights, precision, **given)
        pipeline = self.painter.pipeline
        self.inpainter = pipelines.related(pipeline, "Inpaint")
        self.refiner = None
        if "refiner" in parts:
            self.refiner = pipelines.load(
                parts["refiner"],
                precision,
                variant=variant,
                add_watermarker=False,
                # What both have alike is in memory once.
                vae=pipeline.vae,
                text_encoder_2=pipeline.text_encoder_2,
                tokenizer_2=pipeline.tokenizer_2,
            )
        self.sampling = dict(pipeline.scheduler.config)
        self.sampler = sampler or {}
        self.steps = steps

    def predict(  # type: ignore[misc]  # a list to who calls, given one by one
        self,
        prompt: str = Input(
            default="An astronaut riding a rainbow unicorn", description="Input prompt"
        ),
        negative_prompt: str = Input(default="", description="Input Negative Prompt"),
        image: Path | None = Input(
            default=None, description="Input image for img2img or inpaint mode"
        ),
        mask: Path | None = Input(
            default=None,
            description="Input mask for inpaint mode. Black areas will be preserved, white areas "
            "will be inpainted.",
        ),
        width: int = Input(default=1024, ge=64, le=2048, description="Width of output image"),
        height: int = Input(default=1024, ge=64, le=2048, description="Height of output image"),
        num_outputs: int = Input(default=1, ge=1, le=4, description="Number of images to output."),
        scheduler: str = Input(
            default="K_EULER", choices=list(schedulers.SCHEDULERS), description="scheduler"
        ),
        num_inference_steps: int = Input(
            default=50, ge=1, le=500, description="Number of denoising steps"
        ),
        guidance_scale: float = Input(
            default=7.5, ge=0, le=50, description="Scale for classifier-free guidance"
        ),
        prompt_strength: float = Input(
            default=0.8,
            ge=0,
            le=1,
            description="Prompt strength when using img2img / inpaint. 1.0 corresponds to full "
            "destruction of information in image",
        ),
        seed: int | None = Input(
            default=None, description="Random seed. Leave blank to randomize the seed"
        ),
        refine: str = Input(
            default="no_refiner",
            choices=["no_refiner", "expert_ensemble_refiner", "base_image_refiner"],
            description="Which refine style to use",
        ),
        high_noise_frac: float = Input(
            default=0.8,
            ge=0,
            le=1,
            description="For expert_ensemble_refiner, the fraction of noise to use",
        ),
        refine_steps: int | None = Input(
            default=None,
            ge=1,
            description="For base_image_refiner, the number of steps to refine, defaults to "
            "num_inference_steps",
        ),
        apply_watermark: bool = Input(
            default=True,
            description="Applies an invisible watermark, by which other programs can tell that "
            "the image was generated",
        ),
        lora_scale: float = Input(
            default=0.6, ge=0, le=1, description="LoRA additive scale, with LoRA weights"
        ),
        lora_weights: str | None = Input(
            default=None,
            description="LoRA weights: a repository of the Hub (owner/name, or "
            "owner/name/file.safetensors), or the https address of a .safetensors file",
        ),
        disable_safety_checker: bool = Input(
            default=False,
            description="There is no safety checker here: true keeps the log from saying so",
        ),
        lora_file: Path | None = Input(
            default=None, description="LoRA weights as a .safetensors file of your own"
        ),
    ) -> list[Path]:
        """Makes the pictures one after another as PNG files; the one numbered n uses seed + n."""
        self._check_steps(num_inference_steps)
        tell_unchecked(disable_safety_checker)
        painter = self.painter
        drawing = Drawing(painter.preview, seed, num_outputs)
        settings = painter.words(prompt, negative_prompt, guidance_scale)
        settings["num_inference_steps"] = num_inference_steps
        settings |= self._pictures(image, mask, (width, height), prompt_strength, settings)
        refining = self._refining(refine, high_noise_frac, refine_steps, settings)
        painter.lora.use(lora_weights, lora_scale, lora_file)
        pipeline = self.inpainter if "mask_image" in settings else painter.chosen(settings)
        self._sample_with(scheduler, pipeline)
        for _ in range(num_outputs):
            picture = self._draw(drawing, pipeline, settings, refining)
            yield drawing.save(marked(picture) if apply_watermark else picture, "png", 100)

    def _draw(
        self, drawing: Drawing, pipeline: Any, settings: dict[str, Any], refining: dict[str, Any]
    ) -> Any:
        """The next picture: drawn, and refined if that is asked for."""
        settings = {**settings, "generator": drawing.generator()}
        if not refining:
            return drawing.draw(pipeline, settings)
        base = {**settings, "output_type": "latent"}
        if "denoising_start" in refining:
            base["denoising_end"] = refining["denoising_start"]
        latents = drawing.draw(pipeline, base, to_come=refining["to_come"])
        kept = ("prompt", "negative_prompt", "guidance_scale", "generator")
        words = {name: settings[name] for name in kept if name in settings}
        return drawing.draw(self.refiner, {**words, **refining, "image": latents[None]})

    def _check_steps(self, steps: int) -> None:
        if self.steps and steps not in self.steps:
            allowed = " or ".join(map(str, self.steps))
            raise InvalidInput(
                f"num_inference_steps is {steps}; these weights were distilled to draw in exactly "
                f"{allowed} steps, and spoil the picture in any other number."
            )

    def _pictures(
        self,
        image: Path | None,
        mask: Path | None,
        size: tuple[int, int],
        strength: float,
        settings: dict[str, Any],
    ) -> dict[str, Any]:
        """The size, and the picture and the mask if there are any, as the pipelines take them."""
        painter = self.painter
        if mask is not None and image is None:
            raise InvalidInput("A mask says where to draw in an image; give the image as well.")
        if image is None or mask is not None:
            size = painter.side("width", size[0]), painter.side("height", size[1])
        if image is None:
            return {"width": size[0], "height": size[1]}
        given = pictures.on_white(pictures.opened(image))
        if mask is not None:
            covering = fitted(pictures.painted(mask), size, "mask")
            over: dict[str, Any] = painter.over(given, strength, settings, size)
            return {**over, "mask_image": covering}
        own = aspect_ratios.size_like(*given.size, painter.multiple)
        if own != size:
            print(
                f"The picture is drawn at {own[0]} × {own[1]}, as the image is; width and "
                "height are not used."
            )
        over = painter.over(given, strength, settings, own)
        return over

    def _refining(
        self, refine: str, frac: float, refine_steps: int | None, settings: dict[str, Any]
    ) -> dict[str, Any]:
        """What the refiner is called with besides words and latents, and how many
        steps it will do (`to_come`); empty where it is not called."""
        steps = settings["num_inference_steps"]
        if refine == "no_refiner" or (refine == "expert_ensemble_refiner" and frac == 1):
            return {}
        if self.refiner is None:
            raise InvalidInput("This model has no refiner; leave refine at no_refiner.")
        if refine == "expert_ensemble_refiner":
            if int(steps * frac) < 1 or round(steps * (1 - frac)) < 1:
                raise InvalidInput(
                    f"high_noise_frac is {frac}: of {steps} steps, model and refiner must each "
                    "have one. Take a fraction nearer to the middle, or more steps."
                )
            return {
                "num_inference_steps": steps,
                "denoising_start": frac,
                "to_come": steps - int(steps * frac),
            }
        steps = refine_steps or steps
        if int(steps * REFINED) < 1:
            raise InvalidInput(
                f"The refiner does {REFINED:.0%} of its steps, and of {steps} that is none; set "
                "refine_steps to 4 or more."
            )
        return {
            "num_inference_steps": steps,
            "strength": REFINED,
            "to_come": int(steps * REFINED),
        }

    def _sample_with(self, name: str, pipeline: Any) -> None:
        for each in filter(None, (pipeline, self.refiner)):
            each.scheduler = schedulers.scheduler(name, self.sampling, **self.sampler)


def _unet(weights: FilePath, file: FilePath, dtype: Any) -> Any:
    """The UNet of a single file, in the form of the model's own."""
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import load_file

    config = UNet2DConditionModel.load_config(weights / "unet")
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config)
    unet.load_state_dict(load_file(file), assign=True)
    return unet.to(dtype)
