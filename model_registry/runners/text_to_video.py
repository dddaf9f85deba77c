"""Video from text: any diffusers pipeline folder whose pipeline takes a prompt and gives frames."""

from __future__ import annotations

import inspect
import secrets
import sys
import tempfile
from pathlib import Path as FilePath
from typing import Any

import video_writing
from latent_preview import LatentPreview
from taught import tell_unknown

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

SMALL = 50_000_000
"""Parameters below which more threads gain nothing, and lose much on a busy processor."""
MOST_PIXELS = 600_000_000
"""Of all frames together; they are in memory until they are written."""
OF_PICTURES = ("AutoencoderKL", "AutoencoderTiny")
"""Autoencoders that see a video one frame at a time."""


class TextToVideo(BasePredictor):
    def setup(self, weights: str) -> None:
        """`weights` is a folder (or a repository's id) that `DiffusionPipeline` loads."""
        import torch
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
        self.accepted = inspect.signature(self.pipeline.__call__).parameters
        if not {"prompt", "num_frames"} <= self.accepted.keys():
            kind = type(self.pipeline).__name__
            raise ValueError(f"{weights} holds a {kind}, which makes no video from a prompt.")
        vae = self.pipeline.components.get("vae")
        if hasattr(vae, "enable_tiling") and type(vae).__name__ not in OF_PICTURES:
            vae.enable_tiling()  # whole, a video decodes in more memory than its denoiser takes
        # Layers of AnimateDiff's kind number the frames, and have only so many numbers.
        self.longest = self._denoiser().config.get("motion_max_seq_length") or sys.maxsize
        self.preview = LatentPreview(self.pipeline)
        self.weights = weights

    def predict(
        self,
        prompt: str = Input(description="What the video should show, and what happens in it."),
        negative_prompt: str = Input(default="", description="What it should not show."),
        num_frames: int | None = Input(
            default=None, ge=1, le=513, description="Its length; unset, what the model makes best."
        ),
        fps: int = Input(default=8, ge=1, le=60, description="How many frames make a second."),
        width: int | None = Input(
            default=None, ge=16, le=2048, description="In pixels; unset, the model's own."
        ),
        height: int | None = Input(
            default=None, ge=16, le=2048, description="In pixels; unset, the model's own."
        ),
        enlarge: int = Input(
            default=1,
            ge=1,
            le=8,
            description="Show each frame this many times as wide and high. It adds no detail.",
        ),
        num_inference_steps: int = Input(
            default=30, ge=1, le=500, description="More steps take longer and give more detail."
        ),
        guidance_scale: float = Input(
            default=5.0, ge=0, le=50, description="How strictly to follow the prompt."
        ),
        seed: int | None = Input(
            default=None, description="The same seed gives the same video; unset, a random one."
        ),
    ) -> Path:
        """Makes one MP4 file."""
        import torch

        seed = secrets.randbits(32) if seed is None else seed
        print(f"Using seed: {seed}")
        current_scope().record_metric("seed", seed)
        settings = self._settings(prompt, negative_prompt)
        settings |= self._shape(num_frames, width, height, enlarge)
        settings |= {
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "frame_rate": fps,
            # Noise made on the CPU is the same on every device.
            "generator": torch.Generator("cpu").manual_seed(seed % 2**63),
            "output_type": "pil",
        }
        self._report(settings)
        taken = {name: value for name, value in settings.items() if name in self.accepted}
        frames = self.pipeline(**taken).frames[0]
        path = FilePath(tempfile.mkdtemp()) / "out.mp4"
        video_writing.write(frames, path, fps, enlarge)
        return Path(path)

    def _settings(self, prompt: str, negative_prompt: str) -> dict[str, Any]:
        """The words that the pipeline is called with. Refuses what it would ignore."""
        settings = {"prompt": prompt}
        if negative_prompt:
            if "negative_prompt" not in self.accepted:
                raise InvalidInput("This model takes no negative prompt; leave it empty.")
            settings["negative_prompt"] = negative_prompt
        tell_unknown(f"{prompt} {negative_prompt}", self.weights)
        tokenizer = self.pipeline.components.get("tokenizer")
        most = self.accepted.get("max_sequence_length")
        limit = most.default if most else getattr(tokenizer, "model_max_length", None)
        if tokenizer and limit and (count := len(tokenizer(prompt).input_ids)) > limit:
            print(
                f"The prompt has {count} tokens; the model reads the first {limit}, the rest has "
                "no effect."
            )
        return settings

    def _shape(
        self, num_frames: int | None, width: int | None, height: int | None, enlarge: int
    ) -> dict[str, int]:
        """What was asked for of length and size, brought to what the model can make."""
        shape = {}
        if num_frames is not None:
            shape["num_frames"] = self._whole_frames(num_frames)
        elif self.longest < (self.accepted["num_frames"].default or 0):
            shape["num_frames"] = self.longest
        for name, size in (("width", width), ("height", height)):
            if size is not None:
                shape[name] = self._rounded(name, size)
        usual = {
            name: self.accepted[name].default or 0 for name in ("num_frames", "width", "height")
        }
        frames, wide, high = {**usual, **shape}.values()
        if frames * wide * high * enlarge**2 > MOST_PIXELS:
            raise InvalidInput(
                f"{frames} frames of {wide * enlarge} × {high * enlarge} pixels are too many to "
                f"hold in memory; {MOST_PIXELS // 10**6} million pixels in all are allowed. Ask "
                "for fewer or smaller frames."
            )
        return shape

    def _whole_frames(self, number: int) -> int:
        """The number of frames, where several of them are one to the denoiser."""
        if number > self.longest:
            raise InvalidInput(
                f"num_frames is {number}; this model makes {self.longest} at most. Fewer frames a "
                "second (fps) make the video longer."
            )
        step = _first(self.pipeline, "vae_scale_factor_temporal", "vae_temporal_compression_ratio")
        whole = round((number - 1) / step) * step + 1
        if whole != number:
            print(f"The video has {whole} frames, not {number}: this model needs {step} n + 1.")
        return whole

    def _rounded(self, name: str, size: int) -> int:
        step = _first(
            self.pipeline,
            "vae_scale_factor_spatial",
            "vae_spatial_compression_ratio",
            "vae_scale_factor",
        )
        if "transformer" in self.pipeline.components:
            patch = getattr(self._denoiser().config, "patch_size", 1)
            step *= patch[-1] if isinstance(patch, (tuple, list)) else patch
        step = max(8, step)
        rounded = max(step, round(size / step) * step)
        if rounded != size:
            print(f"The {name} is {rounded}, not {size}: this model needs a multiple of {step}.")
        return rounded

    def _denoiser(self) -> Any:
        return self.pipeline.components.get("transformer") or self.pipeline.components["unet"]

    def _report(self, settings: dict[str, Any]) -> None:
        """Has the pipeline call back after each step; older ones have another word for it."""
        total = settings["num_inference_steps"]
        self.preview.start()

        def told(step: int, latents: Any) -> None:
            current_scope().progress(step + 1, max(total, step + 1), unit="step")
            self.preview.show(latents, settings)

        def on_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> Any:
            told(step, tensors["latents"])
            return tensors

        if "callback_on_step_end" in self.accepted:
            settings["callback_on_step_end"] = on_step
        else:
            settings["callback"] = lambda step, timestep, latents: told(step, latents)


def _first(owner: Any, *names: str) -> int:
    """The first of these attributes that there is and that is set, else 1."""
    return next((int(found) for name in names if (found := getattr(owner, name, None))), 1)


def _parameters(pipeline: Any) -> int:
    parts = [part for part in pipeline.components.values() if hasattr(part, "parameters")]
    return sum(each.numel() for part in parts for each in part.parameters())
