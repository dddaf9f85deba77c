"""Video from text, or from a picture and text: any diffusers pipeline that makes frames. One class
for each set of inputs that such models are called with.
"""

from __future__ import annotations

from typing import Any

import pictures
from video_pipeline import VideoPipeline, sides

from cog import BasePredictor, Input, InvalidInput, Path

AREAS = {"480p": 832 * 480, "720p": 1280 * 720}
SIZES = {("480p", "16:9"): (832, 480), ("480p", "9:16"): (480, 832)}
"""Where the models were trained at another size than the proportion gives."""


class Video(BasePredictor):
    """What all of them share; each adds the inputs of its `predict`."""

    def setup(
        self, weights: str, precision: str = "", settings: dict[str, Any] | None = None
    ) -> None:
        """`weights` is a folder that `DiffusionPipeline` loads, `settings` further arguments of its
        call.
        """
        self.video = VideoPipeline(weights, precision, settings)

    def _start(self, image: Path | None, name: str = "image") -> Any:
        """The picture to start from, opened; `name` is the input's. Refuses one that would be
        ignored, and none where one is needed.
        """
        if image is None:
            if self.video.needs_picture:
                raise InvalidInput(f"This model makes a picture move; give it one as {name}.")
            return None
        if self.video.from_picture is None:
            raise InvalidInput(f"This model cannot start from a picture; leave {name} empty.")
        return pictures.on_white(pictures.opened(image, name))


class TextToVideo(Video):
    """Length and size as numbers."""

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
        self._start(None)
        settings = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            **self.video.shape(num_frames, width, height, enlarge=enlarge),
        }
        made: Path = self.video.make(settings, fps, seed, enlarge=enlarge)
        return made


class ImageToVideo(Video):
    """As `TextToVideo`, with a picture to start from where the model can."""

    def predict(
        self,
        prompt: str = Input(description="What the video should show, and what happens in it."),
        negative_prompt: str = Input(default="", description="What it should not show."),
        image: Path | None = Input(default=None, description="The picture that it starts with."),
        num_frames: int | None = Input(
            default=None, ge=1, le=513, description="Its length; unset, what the model makes best."
        ),
        fps: int = Input(default=24, ge=1, le=60, description="How many frames make a second."),
        width: int | None = Input(
            default=None,
            ge=16,
            le=2048,
            description="In pixels; unset, the image's form at the model's own size.",
        ),
        height: int | None = Input(
            default=None,
            ge=16,
            le=2048,
            description="In pixels; unset, the image's form at the model's own size.",
        ),
        num_inference_steps: int = Input(
            default=30, ge=1, le=500, description="More steps take longer and give more detail."
        ),
        guidance_scale: float = Input(
            default=3.0, ge=0, le=50, description="How strictly to follow the prompt."
        ),
        seed: int | None = Input(
            default=None, description="The same seed gives the same video; unset, a random one."
        ),
    ) -> Path:
        """Makes one MP4 file."""
        start = self._start(image)
        settings = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            **self.video.shape(num_frames, width, height, start),
        }
        made: Path = self.video.make(settings, fps, seed, start)
        return made


class VideoByForm(Video):
    """As `ImageToVideo`, for models whose size is asked for as a resolution and a proportion."""

    def predict(
        self,
        prompt: str = Input(description="What the video should show, and what happens in it."),
        negative_prompt: str = Input(default="", description="What it should not show."),
        image: Path | None = Input(
            default=None,
            description="The picture that it starts with; the video has its proportion.",
        ),
        aspect_ratio: str = Input(
            default="16:9",
            choices=["16:9", "9:16", "4:3", "3:4", "1:1"],
            description="The proportion of width to height, where no picture gives it.",
        ),
        resolution: str = Input(
            default="480p", choices=["480p", "720p"], description="How large the frames are."
        ),
        num_frames: int = Input(
            default=81, ge=1, le=257, description="Its length: 4 n + 1 frames, or the nearest."
        ),
        fps: int = Input(default=16, ge=1, le=60, description="How many frames make a second."),
        num_inference_steps: int = Input(
            default=30, ge=1, le=100, description="More steps take longer and give more detail."
        ),
        guidance_scale: float = Input(
            default=5.0, ge=0, le=20, description="How strictly to follow the prompt."
        ),
        shift: float = Input(
            default=5.0,
            ge=1,
            le=20,
            description="Higher gives more motion, lower more detail.",
        ),
        seed: int | None = Input(
            default=None, description="The same seed gives the same video; unset, a random one."
        ),
    ) -> Path:
        """Makes one MP4 file."""
        start = self._start(image)
        area = AREAS[resolution]
        wide, high = map(int, aspect_ratio.split(":"))
        size = SIZES.get((resolution, aspect_ratio)) or sides(wide / high, area)
        if start is not None:
            size = sides(start.width / start.height, area)
        self.video.set_shift(shift)
        settings = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            **self.video.shape(num_frames, *size, start),
        }
        made: Path = self.video.make(settings, fps, seed, start)
        return made


class VideoOfService(Video):
    """The inputs of services that choose length and size themselves, and rewrite the prompt."""

    def predict(
        self,
        prompt: str = Input(description="What the video should show, and what happens in it."),
        prompt_optimizer: bool = Input(
            default=True,
            description="Let the service rewrite the prompt. Here nothing does; the log says so.",
        ),
        first_frame_image: Path | None = Input(
            default=None,
            description="The picture that it starts with; the video has its proportion.",
        ),
        subject_reference: Path | None = Input(
            default=None,
            description="A person to appear in it. The weights that run here cannot do that.",
        ),
        duration: int = Input(default=5, ge=1, le=10, description="Its length, in seconds."),
        resolution: str = Input(
            default="720p", choices=["720p", "480p"], description="How large the frames are."
        ),
        num_frames: int | None = Input(
            default=None,
            ge=1,
            le=257,
            description="Its length in frames, 4 n + 1 or the nearest, in place of the duration.",
        ),
        width: int | None = Input(
            default=None,
            ge=16,
            le=2048,
            description="In pixels; unset, as the resolution says, in the picture's proportion.",
        ),
        height: int | None = Input(
            default=None,
            ge=16,
            le=2048,
            description="In pixels; unset, as the resolution says, in the picture's proportion.",
        ),
        fps: int = Input(default=24, ge=1, le=60, description="How many frames make a second."),
        num_inference_steps: int = Input(
            default=50, ge=1, le=100, description="More steps take longer and give more detail."
        ),
        guidance_scale: float = Input(
            default=5.0, ge=0, le=20, description="How strictly to follow the prompt."
        ),
        seed: int | None = Input(
            default=None, description="The same seed gives the same video; unset, a random one."
        ),
    ) -> Path:
        """Makes one MP4 file."""
        if subject_reference is not None:
            raise InvalidInput(
                "The weights that run here cannot put a given person into a video; leave "
                "subject_reference empty, or start from a picture of the person as "
                "first_frame_image."
            )
        if prompt_optimizer:
            print("The prompt is taken as it is: no prompt optimizer runs here.")
        start = self._start(first_frame_image, "first_frame_image")
        if resolution == "480p" and width is None and height is None:
            ratio = start.width / start.height if start else 16 / 9
            width, height = sides(ratio, AREAS[resolution])
        frames = num_frames or duration * fps + 1
        settings = {
            "prompt": prompt,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            **self.video.shape(frames, width, height, start),
        }
        made: Path = self.video.make(settings, fps, seed, start)
        return made
