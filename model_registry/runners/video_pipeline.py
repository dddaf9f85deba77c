"""Any diffusers pipeline that makes frames from a prompt, or from a prompt and a picture: loaded,
brought to lengths and sizes it can make, run and written to a file. No runner: runners of video
import it.
"""

from __future__ import annotations

import json
import math
import secrets
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import pipelines
import video_writing
from latent_preview import LatentPreview
from taught import tell_unknown

from cog import InvalidInput, Path, current_scope

MOST_PIXELS = 600_000_000
"""Of all frames together; they are in memory until they are written."""
UNTILED = ("AutoencoderKL", "AutoencoderTiny", "AutoencoderKLTemporalDecoder")
"""Autoencoders that see a frame or a few at a time."""
EXACT = ("AutoencoderKLWan",)
"""Autoencoders that lose colours in 16 bits."""
GROWING = "HunyuanVideo"
"""How the pipelines begin whose makers bring a side to the next multiple above it. Others of them
refuse such sides, and here take the nearest.
"""


class VideoPipeline:
    """`settings` are further arguments of the pipeline's call, the same at each: plain data."""

    def __init__(
        self, weights: str, rung: str = "", settings: Mapping[str, Any] | None = None
    ) -> None:
        """`weights` is a folder that `DiffusionPipeline` loads, `rung` one of a ladder."""
        self.weights = weights
        self.own = dict(settings or {})
        self.pipeline = loaded(weights, rung)
        kind = type(self.pipeline).__name__
        self.accepted = pipelines.parameters(self.pipeline)
        if not {"prompt", "num_frames"} <= self.accepted.keys():
            raise ValueError(f"{weights} holds a {kind}, which makes no video from a prompt.")
        if strange := self.own.keys() - self.accepted.keys():
            raise ValueError(f"A {kind} takes no {', '.join(sorted(strange))}.")
        self.needs_picture = "image" in self.accepted
        self.from_picture = self.pipeline if self.needs_picture else _from_picture(self.pipeline)
        # Layers of AnimateDiff's kind number the frames, and have only so many numbers.
        self.longest = self._denoiser.config.get("motion_max_seq_length") or sys.maxsize
        self.preview = LatentPreview(self.pipeline)

    def make(
        self,
        settings: Mapping[str, Any],
        fps: int,
        seed: int | None,
        image: Any = None,
        enlarge: int = 1,
    ) -> Path:
        """One MP4 file. `settings` are arguments of the pipeline's call: words, steps, and what
        `shape` gave. `image` is a PIL picture that the video starts from.

        Raises `InvalidInput` for what the pipeline would ignore.
        """
        import torch

        seed = secrets.randbits(32) if seed is None else seed
        print(f"Using seed: {seed}")
        scope = current_scope()
        scope.record_metric("seed", seed)
        called = self.own | dict(settings)
        self._check_steps(called["num_inference_steps"])
        self._check_words(called)
        if image is not None:
            size = called["width"], called["height"]
            called["image"] = fitted(image, size)
        # Noise made on the CPU is the same on every device.
        called["generator"] = torch.Generator("cpu").manual_seed(seed % 2**63)
        called |= {"frame_rate": fps, "output_type": "pil"}
        output = self._run(called)
        frames = output.frames[0]
        scope.record_metric("steps", called["num_inference_steps"])
        scope.record_metric("frames", len(frames))
        path = FilePath(tempfile.mkdtemp()) / "out.mp4"
        video_writing.write(frames, path, fps, enlarge, self._sound(output))
        return Path(path)

    def shape(
        self,
        num_frames: int | None,
        width: int | None,
        height: int | None,
        image: Any = None,
        enlarge: int = 1,
    ) -> dict[str, int]:
        """The length and size to call the pipeline with: what was asked for, brought to what it can
        make. What is None is the pipeline's own; with a picture the frames have its form.

        Raises `InvalidInput` for more than memory holds.
        """
        usual = self.usual()
        shape = {}
        if num_frames is not None:
            shape["num_frames"] = self._whole_frames(num_frames)
        elif self.longest < usual["num_frames"]:
            shape["num_frames"] = self.longest
        if image is not None and (width is None or height is None):
            width, height = _in_form(image.size, width, height, usual["width"] * usual["height"])
        for name, size in (("width", width), ("height", height)):
            if size is not None:
                shape[name] = self._rounded(name, size)
        frames, wide, high = {**usual, **shape}.values()
        if frames * wide * high * enlarge**2 > MOST_PIXELS:
            raise InvalidInput(
                f"{frames} frames of {wide * enlarge} × {high * enlarge} pixels are too many to "
                f"hold in memory; {MOST_PIXELS // 10**6} million pixels in all are allowed. Ask "
                "for fewer or smaller frames."
            )
        # A pipeline's own choice stays its own where it has not to be known before.
        return {**usual, **shape} if image is not None else shape

    def usual(self) -> dict[str, int]:
        """The pipeline's own length and size; 0 where it does not say."""
        config, spatial = self._denoiser.config, self._spatial()
        own = {
            # That of the pipelines that would rather predict it, and have not learnt to.
            "num_frames": config.get("sample_frames") or 121,
            "width": (config.get("sample_width") or 0) * spatial,
            "height": (config.get("sample_height") or 0) * spatial,
        }
        said = {name: self.own.get(name) or self.accepted[name].default for name in own}
        return {name: said[name] or size for name, size in own.items()}

    def set_shift(self, shift: float) -> None:
        """How long the noise stays strong: higher gives more motion, lower more detail."""
        scheduler = self.pipeline.scheduler
        word = "flow_shift" if "flow_shift" in scheduler.config else "shift"
        if scheduler.config.get(word) == shift:
            return
        changed = type(scheduler).from_config(scheduler.config, **{word: shift})
        for pipeline in {self.pipeline, self.from_picture} - {None}:
            pipeline.register_modules(scheduler=changed)

    def _run(self, called: dict[str, Any]) -> Any:
        pipeline = self.from_picture if "image" in called else self.pipeline
        accepted = pipelines.parameters(pipeline)
        self._report(called, accepted)
        output = pipeline(**{name: each for name, each in called.items() if name in accepted})
        if pipeline is not self.pipeline:
            self.pipeline.maybe_free_model_hooks()  # those of the parts that both have
        return output

    def _check_steps(self, number: int) -> None:
        """Some schedules end at a little noise, and so have no beginning if it is their end."""
        if number == 1 and self.pipeline.scheduler.config.get("shift_terminal"):
            raise InvalidInput("num_inference_steps is 1; this model needs 2 at least.")

    def _check_words(self, called: dict[str, Any]) -> None:
        prompt, negative = called["prompt"], called.get("negative_prompt") or ""
        if negative and "negative_prompt" not in self.accepted:
            raise InvalidInput("This model takes no negative prompt; leave it empty.")
        if not negative:
            called.pop("negative_prompt", None)
        tell_unknown(f"{prompt} {negative}", self.weights)
        pipelines.tell_truncation(self.pipeline, prompt, called.get("max_sequence_length"))

    def _report(self, called: dict[str, Any], accepted: Mapping[str, Any]) -> None:
        """Has the pipeline call back after each step; older ones have another word for it."""
        total = called["num_inference_steps"]
        shape = {**self.usual(), **called}
        self.preview.start()

        def told(step: int, latents: Any) -> None:
            current_scope().progress(step + 1, max(total, step + 1), unit="step")
            self.preview.show(latents, shape)

        def on_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> Any:
            told(step, tensors["latents"])
            return tensors

        if "callback_on_step_end" in accepted:
            called["callback_on_step_end"] = on_step
        else:
            called["callback"] = lambda step, timestep, latents: told(step, latents)

    def _sound(self, output: Any) -> tuple[Any, int] | None:
        """What is heard, (channels, samples) from -1 to 1, and its rate; None from most models."""
        audio = getattr(output, "audio", None)
        if audio is None:
            return None
        rate = int(self.pipeline.vocoder.config.output_sampling_rate)
        return audio[0].float().cpu().numpy(), rate

    def _whole_frames(self, number: int) -> int:
        """The number of frames, where several of them are one to the denoiser."""
        if number > self.longest:
            raise InvalidInput(
                f"num_frames is {number}; this model makes {self.longest} at most. Fewer frames a "
                "second (fps) make the video longer."
            )
        names = ("vae_scale_factor_temporal", "vae_temporal_compression_ratio")
        step = _first(self.pipeline, *names)
        whole = round((number - 1) / step) * step + 1
        if whole != number:
            frames = "1 frame" if whole == 1 else f"{whole} frames"
            print(f"The video has {frames}, not {number}: this model needs {step} n + 1.")
        return whole

    def _rounded(self, name: str, size: int) -> int:
        step = self._spatial()
        if "transformer" in self.pipeline.components:
            patch = getattr(self._denoiser.config, "patch_size", 1)
            step *= patch[-1] if isinstance(patch, (tuple, list)) else patch
        step = max(8, step)
        grows = type(self.pipeline).__name__.startswith(GROWING)
        # An autoencoder that mirrors what lies beside the edge needs something there.
        config = getattr(self.pipeline.components.get("vae"), "config", {})
        mirrors = config.get("decoder_spatial_padding_mode") == "reflect"
        least = step * 2 if mirrors else step
        rounded = max(least, (math.ceil if grows else round)(size / step) * step)
        if rounded != size:
            more = f", {least} or more" if mirrors else ""
            print(
                f"The {name} is {rounded}, not {size}: this model needs a multiple of {step}{more}."
            )
        return rounded

    def _spatial(self) -> int:
        """The pixels along each side that are one to the denoiser's latents."""
        names = ("vae_scale_factor_spatial", "vae_spatial_compression_ratio", "vae_scale_factor")
        return _first(self.pipeline, *names)

    @property
    def _denoiser(self) -> Any:
        parts = self.pipeline.components
        return parts.get("transformer") or parts.get("transformer_2") or parts["unet"]


def loaded(weights: str, rung: str = "", **given: Any) -> Any:
    """The pipeline in a folder, on the device. `given` goes to `from_pretrained`."""
    import diffusers
    import torch

    kind = _autoencoder_in(weights)
    if kind in EXACT:
        family = getattr(diffusers, kind)
        given["vae"] = family.from_pretrained(weights, subfolder="vae", dtype=torch.float32)
    pipeline = pipelines.load(weights, rung, **given)
    vae = pipeline.components.get("vae")
    if hasattr(vae, "enable_tiling") and type(vae).__name__ not in UNTILED:
        vae.enable_tiling()  # whole, a video decodes in more memory than its denoiser takes
    return pipeline


def fitted(image: Any, size: tuple[int, int]) -> Any:
    """The picture, cut and scaled to a size in pixels."""
    from PIL import ImageOps

    if image.size != size:
        given = f"{image.width} × {image.height}"
        print(f"The image, {given}, is taken at {size[0]} × {size[1]}.")
    return ImageOps.fit(image, size)


def sides(form: float, area: int) -> tuple[int, int]:
    """Width and height of an area in pixels, at a proportion of the one to the other; at most 4 to
    1, which no model of video was made for.
    """
    form = _bounded(form)
    return round(math.sqrt(area * form)), round(math.sqrt(area / form))


def _bounded(form: float) -> float:
    return min(4.0, max(0.25, form))


def _in_form(
    given: tuple[int, int], width: int | None, height: int | None, area: int
) -> tuple[int, int]:
    """The sides that are None, after a picture's form."""
    form = _bounded(given[0] / given[1])
    if width:
        return width, height or round(width / form)
    if height:
        return round(height * form), height
    return sides(form, area)


def _autoencoder_in(weights: str) -> str:
    index = FilePath(weights) / "model_index.json"
    named = json.loads(index.read_text()).get("vae") if index.is_file() else None
    return str(named[1]) if named else ""


def _from_picture(pipeline: Any) -> Any:
    """The pipeline of the same family that starts from a picture, over the same parts; None where
    the weights were not made for it.
    """
    kind = type(pipeline).__name__
    able = {"WanPipeline": pipeline.config.get("expand_timesteps")}
    if not able.get(kind, kind.startswith("LTX")):
        return None
    return pipelines.related(pipeline, "ImageToVideo")


def _first(owner: Any, *names: str) -> int:
    """The first of these attributes that there is and that is set, else 1."""
    return next((int(found) for name in names if (found := getattr(owner, name, None))), 1)
