"""Checkpoints: pipelines of diffusers in one safetensors file, as their makers and most people who
teach them further share them. What its tensors are called says which family it is of; settings,
and parts that it lacks, come from that family's own repository. Asks nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from model_registry import hub_choice, hub_pipelines
from model_registry.hub_card import described, licence
from model_registry.hub_facts import Facts
from model_registry.hub_headers import Header
from model_registry.hub_recipe import memory
from model_registry.listing import HubFile, Listing, choose, is_weights
from model_registry.sizes import written

UNET = "model.diffusion_model."
"""Where the part that draws begins, in the first three families; in others it may."""


@dataclass(frozen=True)
class Family:
    """`base` is the repository with the settings of its `pipeline`. `parts` are the folders of that
    whose weights a checkpoint may bring, and how the names of its tensors then begin.
    """

    name: str
    base: str
    pipeline: str
    parts: Mapping[str, str]


_SD = {
    "unet": UNET,
    "vae": "first_stage_model.",
    "text_encoder": "cond_stage_model.transformer.text_model.",
}
_SDXL = {
    "unet": UNET,
    "vae": "first_stage_model.",
    "text_encoder": "conditioner.embedders.0.transformer.text_model.",
    "text_encoder_2": "conditioner.embedders.1.model.",
}
_FLUX = {
    "transformer": "",
    "vae": "vae.",
    "text_encoder": "text_encoders.clip_l.transformer.",
    "text_encoder_2": "text_encoders.t5xxl.transformer.",
}
_SD3 = {
    "transformer": "",
    "vae": "first_stage_model.",
    "text_encoder": "text_encoders.clip_l.transformer.",
    "text_encoder_2": "text_encoders.clip_g.transformer.",
    "text_encoder_3": "text_encoders.t5xxl.transformer.",
}
FAMILIES = {
    each.name: each
    for each in (
        Family("Stable Diffusion 1", "stable-diffusion-v1-5/stable-diffusion-v1-5",
               "StableDiffusionPipeline", _SD),
        Family("Stable Diffusion 1 for inpainting",
               "stable-diffusion-v1-5/stable-diffusion-inpainting",
               "StableDiffusionInpaintPipeline", _SD),
        Family("Stable Diffusion XL", "stabilityai/stable-diffusion-xl-base-1.0",
               "StableDiffusionXLPipeline", _SDXL),
        Family("Stable Diffusion XL for inpainting",
               "diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
               "StableDiffusionXLInpaintPipeline", _SDXL),
        Family("FLUX.1 schnell", "black-forest-labs/FLUX.1-schnell", "FluxPipeline", _FLUX),
        Family("FLUX.1 dev", "black-forest-labs/FLUX.1-dev", "FluxPipeline", _FLUX),
        Family("Stable Diffusion 3", "stabilityai/stable-diffusion-3-medium-diffusers",
               "StableDiffusion3Pipeline", _SD3),
        Family("Stable Diffusion 3.5 medium", "stabilityai/stable-diffusion-3.5-medium",
               "StableDiffusion3Pipeline", _SD3),
        Family("Stable Diffusion 3.5 large", "stabilityai/stable-diffusion-3.5-large",
               "StableDiffusion3Pipeline", _SD3),
    )
}  # fmt: skip

_OTHERS = (
    (r".*(lora_(up|down|A|B)|lokr_|hada_).*", "it is a LoRA, no model of its own. Give {repo} as "
     "lora_weights to a model of that family that has such an input"),
    (r"conditioner\.embedders\.0\.model\..*", "it is the refiner of Stable Diffusion XL, which "
     "only goes over what another has drawn; the catalogue's stability-ai/sdxl has it"),
    (r"cond_stage_model\.model\..*", "it is Stable Diffusion 2, of which a file does not say how "
     "it was taught. Add a repository of it with a model_index.json"),
    (r"control_model\..*|input_hint_block\..*", "it is a ControlNet, which also takes a picture "
     "that controls it, and there is no runner for that"),
    (r"(.*\.)?distilled_guidance_layer\..*", "it is Chroma in its makers' form. Add a repository "
     "of it with a model_index.json, such as hf:lodestones/Chroma1-HD"),
    (r"(.*\.)?(scale_weight|scaled_fp8|comfy_quant|input_scale|weight_scale)",
     "its weights are packed in 8 bits with scales, in a form of ComfyUI that diffusers does not "
     "read. Take the file in 16 bits"),
    (r".*\.(quant_state|absmax|quant_map)(\..*)?", "its weights are packed by bitsandbytes, a form "
     "that is not read from one file. Take the file in 16 bits: it is packed here if need be"),
)  # fmt: skip
"""What the names of tensors look like, and why such a file cannot be run."""


def spec_of(
    facts: Facts, file: HubFile, header: Header, family: Family, base: Facts
) -> dict[str, Any]:
    """A spec without its name; `base` is its family's repository today. Raises `BrokenModel`."""
    borrowed = [name for name, begins in family.parts.items() if not header.has(begins)]
    settings = _settings(base.listing, borrowed)
    if lacking := [name for name in borrowed if not _weights(settings, name)]:
        raise facts.refusal(
            f"{file.path} lacks its {' and '.join(lacking)}, and so does {family.base}."
        )
    task = hub_pipelines.task_of(family.pipeline)
    numbers = header.numbers("model_ema.") + sum(
        each.size // 2 for name in borrowed for each in _weights(settings, name)
    )
    taken = f" Its {' and '.join(borrowed)}: from {family.base}." if borrowed else ""
    conditions = licence(base).keys() & {"gated", "non_commercial"}
    return {
        "category": task.category,
        "description": described(facts, f"{task.name}, a checkpoint of {family.name}")
        + taken
        + hub_choice.others(facts, file),
        "runner": task.runner,
        "weights": facts.weights([file]),
        "parts": {
            "settings": {
                "repo": family.base,
                "revision": base.listing.commit,
                "files": [each.path for each in settings],
                "size": written(sum(each.size for each in settings)),
            }
        },
        "setup": {"checkpoint": {"file": file.path, "borrowed": borrowed}},
        "licence": licence(facts) | dict.fromkeys(sorted(conditions), True),
        "heavy": True,
        "verified": "tiny",
        **memory(numbers, task),
    }


def family_of(facts: Facts, header: Header) -> Family:
    """Raises `BrokenModel` for all that is none of them, saying what it is."""
    for pattern, reason in _OTHERS:
        if any(re.fullmatch(pattern, name) for name in header.shapes):
            raise facts.refusal(f"{reason.format(repo=facts.repo)}.")
    name = _unet(facts, header) or _flux(facts, header) or _stable_diffusion_3(header)
    if name:
        return FAMILIES[name]
    if header.shapes and not header.has(UNET) and header.has("decoder.", "first_stage_model."):
        raise facts.refusal(
            "it is a VAE, one part of a pipeline, which runs only within the whole."
        )
    there = ", ".join(list(header.shapes)[:3]) or "none"
    raise facts.refusal(
        f"its tensors ({there}, …) are not those of a checkpoint that is known here: Stable "
        "Diffusion 1, XL and 3, and FLUX.1. Look for the same model as a repository with a "
        "model_index.json (diffusers) or config.json (transformers); its page may link to it."
    )


def _unet(facts: Facts, header: Header) -> str:
    first = header.shapes.get(f"{UNET}input_blocks.0.0.weight")
    if first is None:
        return ""
    is_large = header.has(f"{UNET}label_emb.", "conditioner.embedders.1.")
    name = "Stable Diffusion XL" if is_large else "Stable Diffusion 1"
    takes = first[1] if len(first) > 1 else 0
    if takes not in (4, 9):
        raise facts.refusal(
            f"it is a {name} that takes {takes} channels, for which there is no runner: known are "
            "4, for drawing, and 9, for inpainting."
        )
    return name if takes == 4 else f"{name} for inpainting"


def _flux(facts: Facts, header: Header) -> str:
    name = "double_blocks.0.img_attn.norm.key_norm.scale"
    within = next((each for each in ("", UNET) if f"{each}{name}" in header.shapes), None)
    if within is None:
        return ""
    if header.has(f"{within}single_stream_modulation", f"{within}early_stream_modulations"):
        raise facts.refusal(
            "it is FLUX.2 or later in its makers' form. Add a repository of it with a "
            "model_index.json, such as hf:black-forest-labs/FLUX.2-klein-4B."
        )
    if "kontext" in f"{facts.repo} {facts.file} {' '.join(facts.listing.tags)}".lower():
        raise facts.refusal(
            "it is FLUX.1 Kontext, whose file is not read here. Add a repository of it with a "
            "model_index.json, such as hf:black-forest-labs/FLUX.1-Kontext-dev."
        )
    takes = header.shapes.get(f"{within}img_in.weight", (0, 64))[-1]
    if takes > 64:
        raise facts.refusal(
            "it is a FLUX.1 that also takes pictures (Fill, Depth or Canny), whose file is not "
            "read here. Add a repository of it with a model_index.json."
        )
    return "FLUX.1 dev" if header.has(f"{within}guidance_in.") else "FLUX.1 schnell"


def _stable_diffusion_3(header: Header) -> str:
    within = next((each for each in ("", UNET) if header.has(f"{each}joint_blocks.0.")), None)
    if within is None:
        return ""
    if header.has(f"{within}joint_blocks.37."):
        return "Stable Diffusion 3.5 large"
    places = header.shapes.get(f"{within}pos_embed", (1, 0))
    return "Stable Diffusion 3.5 medium" if places[1] == 384 * 384 else "Stable Diffusion 3"


def _settings(base: Listing, borrowed: list[str]) -> list[HubFile]:
    """The files of its repository that say how it is put together, and the weights that it is to
    give.
    """
    folders = {file.path.partition("/")[0] for file in base.files if "/" in file.path}
    chosen = choose(replace(base, components=tuple(sorted(folders - {"safety_checker"}))))
    return [
        file
        for file in chosen
        if not is_weights(file.path) or file.path.partition("/")[0] in borrowed
    ]


def _weights(files: list[HubFile], folder: str) -> list[HubFile]:
    return [each for each in files if each.path.startswith(f"{folder}/") and is_weights(each.path)]
