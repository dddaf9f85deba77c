"""diffusers pipelines: loaded, asked what they take, called with it. No runner: runners of pictures
import it.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import precision
import single_file
from model_files import only_variant
from running_out import conversions_told


def quiet() -> None:
    """Keeps the libraries' bars and hints out of the logs of predictions."""
    from diffusers.utils import logging
    from transformers.utils import logging as transformers_logging

    for log in (logging, transformers_logging):
        log.disable_progress_bar()
        log.set_verbosity_error()


def load(
    weights: str,
    rung: str = "",
    checkpoint: Mapping[str, Any] | None = None,
    settings: str = "",
    **given: Any,
) -> Any:
    """The pipeline in the folder `weights`, on its device. `rung` is the precision chosen for it;
    `given` are parts that come from elsewhere, and what else `from_pretrained` takes. With a
    `checkpoint` it is in one file, as `single_file` says, and put together as in `settings`.
    """
    # Not `AutoPipelineForText2Image`: importing it imports every family of pipelines there is.
    from diffusers import DiffusionPipeline

    quiet()
    chosen = precision.pipeline(rung, *heavy_parts(weights), weights=weights)
    with conversions_told():
        if checkpoint:
            pipeline = single_file.loaded(weights, checkpoint, settings, chosen["dtype"])
        else:
            given["variant"] = given.get("variant") or _only_variant(Path(weights))
            pipeline = DiffusionPipeline.from_pretrained(weights, **chosen, **given)
    pipeline.set_progress_bar_config(disable=True)
    precision.place(pipeline, rung)
    return pipeline


def _only_variant(weights: Path) -> str | None:
    """What the names of a part's weights say besides ("fp16"), where it has no others."""
    parts = sorted(path.parent for path in weights.glob("*/config.json"))
    return next(filter(None, map(only_variant, parts)), None)


def heavy_parts(weights: str) -> list[str]:
    """The parts worth quantizing: what denoises, and encoders of text that are language models."""
    index = Path(weights) / "model_index.json"
    if not index.is_file():
        return []
    parts = {
        name: part[1]
        for name, part in json.loads(index.read_text()).items()
        if isinstance(part, list) and part[1]
    }
    denoisers = ("transformer", "transformer_2", "unet")
    return [
        name
        for name, kind in parts.items()
        if name in denoisers or (name.startswith("text_encoder") and not kind.startswith("CLIP"))
    ]


def related(pipeline: Any, kind: str) -> Any:
    """The pipeline of the same family for another task ("Img2Img", "Inpaint"), over the same parts;
    None if there is none. diffusers names it after the one that starts from noise.
    """
    import diffusers

    name = type(pipeline).__name__.replace("Pipeline", f"{kind}Pipeline")
    family = getattr(diffusers, name, None)
    if family is None:
        return None
    # Not `from_pipe`: it refuses parts of another class than the family's usual one.
    known = {**pipeline.config, **pipeline.components}
    wanted = inspect.signature(family).parameters
    made = family(**{part: value for part, value in known.items() if part in wanted})
    made.set_progress_bar_config(disable=True)
    return made


def parameters(pipeline: Any) -> Mapping[str, inspect.Parameter]:
    """What a call of the pipeline takes."""
    return inspect.signature(pipeline.__call__).parameters


def called(pipeline: Any, settings: Mapping[str, Any]) -> Any:
    """The images that the pipeline gives for those of the settings that it takes. Raises
    `RuntimeError` where there is nothing to be seen on one, because the numbers are none.
    """
    takes = parameters(pipeline)
    with warnings.catch_warnings():
        # All that the library does about it is a black picture.
        warnings.filterwarnings("error", "invalid value encountered in cast", RuntimeWarning)
        try:
            return pipeline(
                **{key: value for key, value in settings.items() if key in takes}
            ).images
        except RuntimeWarning:
            raise RuntimeError(
                "The model computed no numbers (NaN), which would be a black picture. LoRA weights "
                "that are broken do that, a lora_scale that is far too high, or weights that need "
                "a higher precision than the one named in the logs."
            ) from None


def multiple(pipeline: Any) -> int:
    """What the sides of a picture must be a multiple of, in pixels."""
    step = max(8, getattr(pipeline, "vae_scale_factor", 8))
    # Transformers read the latents in patches of 2 × 2.
    return step * 2 if "transformer" in pipeline.components else step


def own_side(pipeline: Any) -> int:
    """The width and height, in pixels, that the model draws when nothing is asked."""
    latents = getattr(pipeline, "default_sample_size", None)
    if latents is None and "unet" in pipeline.components:
        latents = pipeline.unet.config.sample_size
    return int(latents * pipeline.vae_scale_factor) if latents else 1024


def tell_truncation(pipeline: Any, prompt: str, most: int | None = None) -> None:
    """Prints how much of the prompt is read, if not all. `most` is how many tokens the pipeline is
    told to read.
    """
    names = ("tokenizer", "tokenizer_2", "tokenizer_3")
    tokenizers = [found for name in names if (found := pipeline.components.get(name))]
    if not tokenizers:
        return
    longest = max(tokenizers, key=lambda tokenizer: tokenizer.model_max_length)
    limit = parameters(pipeline).get("max_sequence_length")
    most = min(most or (limit.default if limit else None) or 10**9, longest.model_max_length)
    count = len(longest(prompt).input_ids)
    if count > most:
        print(
            f"The prompt has {count} tokens; the model reads the first {most}, the rest has no "
            "effect."
        )
