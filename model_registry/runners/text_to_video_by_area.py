"""Video from text, or from a picture and text, sized by the side of a square and a proportion: the
form in which Replicate has LTX-Video.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pictures
from video_pipeline import VideoPipeline, sides

from cog import BasePredictor, Input, Path

FORMS = [
    "1:1", "1:2", "2:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "9:21", "21:9",
]  # fmt: skip
OTHER = "0.9.1"
"""The version that other weights answer for."""


class VideoByArea(BasePredictor):
    def setup(self, weights: str, precision: str = "") -> None:
        """`weights` is a folder that `DiffusionPipeline` loads; its kind can start from pictures,
        too.
        """
        self.video = VideoPipeline(weights, precision)

    def predict(
        self,
        prompt: str = Input(description="What the video should show, and what happens in it."),
        negative_prompt: str = Input(default="", description="What it should not show."),
        image: Path | None = Input(
            default=None,
            description="The picture that it starts with; the video has its proportion.",
        ),
        image_noise_scale: float = Input(
            default=0.15,
            ge=0,
            le=1,
            description="Noise on the picture while it is looked at. Less stays closer to it, more "
            "gives more motion.",
        ),
        target_size: int = Input(
            default=640,
            ge=64,
            le=1280,
            description="The side of a square, in pixels: a frame has about as many as that has.",
        ),
        aspect_ratio: str = Input(
            default="3:2",
            choices=FORMS,
            description="Of width to height, where no picture gives it.",
        ),
        cfg: float = Input(
            default=3, ge=1, le=20, description="How strictly to follow the prompt."
        ),
        steps: int = Input(
            default=30, ge=2, le=50, description="More steps take longer and give more detail."
        ),
        length: int = Input(
            default=97, ge=1, le=257, description="In frames: 8 n + 1, or the nearest."
        ),
        model: str = Input(
            default=OTHER,
            choices=[OTHER, "0.9"],
            description="What Replicate runs. Here 0.9 answers for both.",
        ),
        fps: int = Input(default=25, ge=1, le=60, description="How many frames make a second."),
        seed: int | None = Input(
            default=None, description="The same seed gives the same video; unset, a random one."
        ),
    ) -> list[Path]:
        """Makes one MP4 file."""
        if model == OTHER:
            print(f"The weights are those of 0.9, which answers for {OTHER}.")
        start = pictures.on_white(pictures.opened(image, "image")) if image else None
        wide, high = start.size if start else map(int, aspect_ratio.split(":"))
        settings = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "num_inference_steps": steps,
            "guidance_scale": cfg,
            **self.video.shape(length, *sides(wide / high, target_size**2), start),
        }
        seed = secrets.randbits(32) if seed is None else seed
        if start is None:
            return [self.video.make(settings, fps, seed)]
        with _noisy_start(self.video.from_picture, image_noise_scale, seed):
            return [self.video.make(settings, fps, seed, start)]


@contextmanager
def _noisy_start(pipeline: Any, scale: float, seed: int) -> Iterator[None]:
    """While it lasts, the denoiser sees what is given of the video with noise on it: `scale` times
    the square of what noise is left in the rest, as the makers of LTX-Video have it.
    """
    import torch

    random = torch.Generator("cpu").manual_seed((seed + 1) % 2**63)

    def noisy(_: Any, args: Any, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        seen, times = given["hidden_states"], given["timestep"]
        left = times.max() / pipeline.scheduler.config.num_train_timesteps
        much = (times == 0).unsqueeze(-1) * scale * left**2
        noise = torch.randn(seen.shape[1:], generator=random).to(seen.device)
        return args, given | {"hidden_states": seen + (much * noise).to(seen.dtype)}

    hook = pipeline.transformer.register_forward_pre_hook(noisy, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()
