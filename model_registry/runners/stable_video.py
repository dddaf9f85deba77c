"""A picture that begins to move: Stable Video Diffusion, which takes no words. Its two lengths are
two models; the one that is asked for is loaded, the other makes room for it.
"""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path as FilePath
from typing import Any

import pictures
import video_writing
from latent_preview import LatentPreview
from video_pipeline import fitted, loaded, sides

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

WIDE, HIGH = 1024, 576
"""What the models were trained at."""
MULTIPLE = 64
MOST_PIXELS = 4 * WIDE * HIGH
"""Of one frame: beyond that, nothing but noise comes, and no GPU has the memory."""


class StableVideo(BasePredictor):
    def setup(
        self,
        weights: str,
        precision: str = "",
        parts: dict[str, str] | None = None,
        variant: str | None = None,
    ) -> None:
        """`weights` makes 14 frames, the part `xt` 25. `variant` is the one of their files."""
        self.folders = {
            "14_frames_with_svd": weights,
            "25_frames_with_svd_xt": (parts or {})["xt"],
        }
        self.precision, self.variant = precision, variant
        self._load("14_frames_with_svd")

    def predict(
        self,
        input_image: Path = Input(description="The picture that it starts with."),
        video_length: str = Input(
            default="14_frames_with_svd",
            choices=["14_frames_with_svd", "25_frames_with_svd_xt"],
            description="How many frames to make. Another choice than last time loads its weights.",
        ),
        sizing_strategy: str = Input(
            default="maintain_aspect_ratio",
            choices=["maintain_aspect_ratio", "crop_to_16_9", "use_image_dimensions"],
            description=(
                "Keep the picture's proportion at the size the model was made for; cut it to "
                "1024 × 576; or keep its size, to the next multiple of 64."
            ),
        ),
        frames_per_second: int = Input(
            default=6, ge=5, le=30, description="How many frames make a second."
        ),
        motion_bucket_id: int = Input(
            default=127, ge=1, le=255, description="Higher gives more motion."
        ),
        cond_aug: float = Input(
            default=0.02,
            ge=0,
            le=10,
            description="Noise on the picture; more lets the video differ from it more.",
        ),
        decoding_t: int = Input(
            default=14, ge=1, le=25, description="Frames decoded at once; fewer take less memory."
        ),
        num_inference_steps: int = Input(
            default=25, ge=1, le=100, description="More steps take longer and give more detail."
        ),
        seed: int | None = Input(
            default=None, description="The same seed gives the same video; unset, a random one."
        ),
    ) -> Path:
        """Makes one MP4 file."""
        import torch

        picture = pictures.on_white(pictures.opened(input_image, "input_image"))
        width, height = _size(picture, sizing_strategy)
        seed = secrets.randbits(32) if seed is None else seed
        print(f"Using seed: {seed}")
        current_scope().record_metric("seed", seed)
        self._load(video_length)
        settings = {
            "image": fitted(picture, (width, height)),
            "width": width,
            "height": height,
            "fps": frames_per_second,
            "motion_bucket_id": motion_bucket_id,
            "noise_aug_strength": cond_aug,
            "decode_chunk_size": decoding_t,
            "num_inference_steps": num_inference_steps,
            # Noise made on the CPU is the same on every device.
            "generator": torch.Generator("cpu").manual_seed(seed % 2**63),
        }
        frames = self.pipeline(**settings, callback_on_step_end=self._on_step(settings)).frames[0]
        current_scope().record_metric("steps", num_inference_steps)
        current_scope().record_metric("frames", len(frames))
        path = FilePath(tempfile.mkdtemp()) / "out.mp4"
        video_writing.write(frames, path, frames_per_second)
        return Path(path)

    def _load(self, length: str) -> None:
        if getattr(self, "length", None) == length:
            return
        self.length = ""
        self.pipeline: Any = None  # the other one's memory is free before it is needed
        self.preview: Any = None
        self.pipeline = loaded(self.folders[length], self.precision, variant=self.variant)
        self.preview = LatentPreview(self.pipeline)
        self.length = length

    def _on_step(self, settings: dict[str, Any]) -> Any:
        """The pipeline's call after each step."""
        total = settings["num_inference_steps"]
        self.preview.start()

        def on_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> Any:
            current_scope().progress(step + 1, total, unit="step")
            self.preview.show(tensors["latents"], settings)
            return tensors

        return on_step


def _size(picture: Any, strategy: str) -> tuple[int, int]:
    """Width and height of the frames."""
    if strategy == "crop_to_16_9":
        return WIDE, HIGH
    size = picture.size
    if strategy == "maintain_aspect_ratio":
        size = sides(picture.width / picture.height, WIDE * HIGH)
    elif picture.width * picture.height > MOST_PIXELS:
        raise InvalidInput(
            f"input_image has {picture.width} × {picture.height} pixels; a frame may have "
            f"{MOST_PIXELS // 1000**2} million. Make it smaller, or choose another sizing_strategy."
        )
    width, height = (max(MULTIPLE, round(side / MULTIPLE) * MULTIPLE) for side in size)
    return width, height
