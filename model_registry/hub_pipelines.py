"""diffusers' pipelines: what their names and their calls say, and which runner does it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from model_registry import known_classes
from model_registry.hub_tasks import Task


@dataclass(frozen=True)
class Pipelines:
    """Those whose class fits a pattern, and who runs them; nobody if `runner` is empty, for the
    `reason`.
    """

    pattern: re.Pattern[str]
    name: str
    runner: str = ""
    category: str = ""
    reason: str = ""


_NO_RUNNER = "there is no runner for what it does"
OF_DIFFUSERS: tuple[Pipelines, ...] = tuple(
    Pipelines(re.compile(pattern), name, runner, category, reason)
    for pattern, name, runner, category, reason in (
        ("Modular", "", "", "", "it is put together from blocks, for which there is no runner"),
        ("ControlNet|Control|Adapter|GLIGEN", "", "", "",
         "it also takes a picture that controls it, for which there is no runner"),
        ("Prior|Redux|Decoder|LatentUpsample|Refine", "", "", "",
         "it is one part of several that work together. Add the repository of the whole"),
        ("Upscale|SuperResolution|SRPipeline|Marigold|VideoToVideo|WanVACE"
         "|Onnx|DDPM|DDIMPipeline|^DiTPipeline|Variation|PaintByExample|LEdits|DiffEdit",
         "", "", "", _NO_RUNNER),
        ("LLaDA|DiffusionGemma", "", "", "", "there is no runner for text by diffusion"),
        ("StableVideoDiffusion", "", "", "",
         "it takes no words; it is in the catalogue, as stability-ai/stable-video-diffusion"),
        ("ImageToVideo|Image2Video|I2V", "video from a picture",
         "text_to_video:ImageToVideo", "video", ""),
        ("AnimateDiff|CogVideoX|HunyuanVideo|LTX|Wan|Mochi|Allegro|Latte|SkyReels|EasyAnimate"
         "|TextToVideo|T2V|Video", "video from words", "text_to_video:TextToVideo", "video", ""),
        ("AceStep", "songs", "sound_diffusion:Song", "audio", ""),
        ("StableAudio3Pipeline", "sound from words", "sound_diffusion:StableAudio3", "audio", ""),
        ("StableAudioPipeline", "sound from words", "sound_diffusion:StableAudioOpen", "audio", ""),
        ("Audio|Music", "", "", "", "there is no runner for this kind of sound. Stable Audio and "
         "ACE-Step will do, such as hf:stabilityai/stable-audio-open-1.0"),
        (r"^Kandinsky(V22)?Pipeline$", "", "", "", "it draws from what another pipeline has made "
         "of the words. Its successor will do: hf:kandinsky-community/kandinsky-3"),
        ("Layered", "", "", "", "it parts a picture in layers, for which there is no runner"),
        ("ShapE", "", "", "", "it is in the catalogue already, as cjwbw/shap-e"),
        ("Inpaint|Fill", "drawing anew", "inpainting:Inpaint", "editing", ""),
        ("EditPlus|Flux2", "picture editing", "image_edit:ImagesEdit", "editing", ""),
        ("Kontext|Edit|InstructPix2Pix", "picture editing", "image_edit:ImageEdit", "editing", ""),
        ("Img2Img", "", "", "",
         "the repository of its Text2Image form does the same, with an image as an input"),
        (".", "pictures from words", "text_to_image:TextToImage", "image", ""),
    )
)  # fmt: skip
"""The first that fits."""

GIVES: Mapping[str, tuple[str, ...]] = {
    "text_to_image:TextToImage": ("prompt",),
    "text_to_video:TextToVideo": ("prompt", "num_frames"),
    "text_to_video:ImageToVideo": ("prompt", "num_frames", "image"),
    "image_edit:ImageEdit": ("prompt", "image"),
    "image_edit:ImagesEdit": ("prompt", "image"),
    "inpainting:Inpaint": ("prompt", "image", "mask_image"),
    "sound_diffusion:Song": ("prompt",),
    "sound_diffusion:StableAudio3": ("prompt",),
    "sound_diffusion:StableAudioOpen": ("prompt",),
}
"""What a pipeline must take to be run by each, and all that it may ask for."""


class NoRunner(Exception):
    """What the pipeline is, or needs, that nothing here does."""


def task_of(kind: str) -> Task:
    """The task of the pipeline `kind`, one that is installed. Raises `NoRunner`."""
    found = next(each for each in OF_DIFFUSERS if each.pattern.search(kind))
    if not found.runner:
        raise NoRunner(found.reason)
    takes = known_classes.call_of(kind)
    if "num_frames" in takes:
        runner = "text_to_video:" + ("ImageToVideo" if "image" in takes else "TextToVideo")
        found = next(each for each in OF_DIFFUSERS if each.runner == runner)
    gives = GIVES[found.runner]
    needs = sorted(name for name, needed in takes.items() if needed and name not in gives)
    if needs:
        raise NoRunner(
            f"it needs {', '.join(needs)}, which the runner for {found.name} does not give it"
        )
    if lacks := [name for name in gives if name not in takes]:
        raise NoRunner(
            f"it takes no {', '.join(lacks)}, as what the runner for {found.name} runs must"
        )
    return Task(found.name, found.runner, found.category, (), trusts=False)
