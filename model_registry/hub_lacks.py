"""What a repository of the Hub lacks, or needs that is not here: reasons to refuse it."""

from __future__ import annotations

import importlib.util
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from model_registry import known_classes
from model_registry.hub_facts import Facts
from model_registry.listing import HubFile, is_weights

_QUANTIZED = {
    "bitsandbytes": "bitsandbytes", "gptq": "gptqmodel", "awq": "gptqmodel",
    "compressed-tensors": "compressed_tensors", "hqq": "hqq", "quanto": "optimum",
    "torchao": "torchao", "aqlm": "aqlm", "auto-round": "auto_round", "eetq": "eetq",
    "fbgemm_fp8": "fbgemm_gpu", "quark": "quark", "vptq": "vptq", "spqr": "spqr_quant",
    "higgs": "flute", "fp_quant": "fp_quant", "fouroversix": "fouroversix", "sinq": "sinq",
    "gguf": "gguf",
}  # fmt: skip
"""The package that weights quantized in a way need; where none is named, transformers knows it."""

_LOADED = re.compile(r"(model|pytorch_model)(-\d{5}-of-\d{5})?\.(safetensors|bin)")
"""What transformers looks for in the uppermost folder."""
_SHARD = re.compile(r"(?P<name>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<ending>\.\w+)")
_TOKENIZERS = (
    r"(tokenizer(_config)?|vocab|tekken)\.json|vocab\.(txt|bpe)|tokenizer\.model.*"
    r"|[^/]*\.(model|spm|vocab|tiktoken)|bpe\.codes"
)


_MARKED = (
    "it cuts out what a point or a box marks. Things by their names are found by detectors such as "
    "hf:IDEA-Research/grounding-dino-tiny; whole scenes are parted by such as "
    "hf:facebook/mask2former-swin-tiny-coco-instance; of this kind hf:facebook/sam-vit-base and "
    "hf:facebook/sam2.1-hiera-tiny can be added"
)
_LAID_OUT = (
    "it reads words by their places on a page, which another program has to find first. Models "
    "that chat about pictures read pages themselves, such as hf:Qwen/Qwen3-VL-8B-Instruct"
)
_NO_WORDS = (
    "it turns the numbers of another model into sound. Add that one: hf:microsoft/speecht5_tts "
    "brings it along"
)
_INSTEAD = {
    **dict.fromkeys(("sam3", "sam3_video", "sam3_tracker",
                     "sam3_tracker_video", "sam_hq", "edgetam", "edgetam_video"), _MARKED),
    **dict.fromkeys(("layoutlm", "layoutlmv2", "layoutlmv3", "layoutxlm", "lilt", "bros",
                     "markuplm", "udop"), _LAID_OUT),
}  # fmt: skip
"""Kinds that need what no runner gives them, whatever their class, and what would do instead."""


def check_kind(facts: Facts) -> None:
    """Refuses what takes more than any runner gives it. Raises `BrokenModel`."""
    reason = _INSTEAD.get(facts.kind)
    if "SpeechT5HifiGan" in facts.architectures:
        reason = _NO_WORDS
    if reason:
        raise facts.refusal(
            f"its class is {', '.join(facts.architectures) or facts.kind}: {reason}."
        )


def may_be_checkpoints(facts: Facts) -> bool:
    """Whether nothing tells what its safetensors are, so that one of them may be a model by itself:
    then what is in it has to be asked.
    """
    return (
        not facts.json.keys() & {"config.json", "model_index.json", "adapter_config.json"}
        and "lora" not in facts.listing.tags
        and facts.has(r"([^/]*/)?[^/]*\.safetensors")
        and not facts.has(r"(.*/)?(config|model_index|params)\.json|.*lora[^/]*|learned_embeds.*")
    )


def without_config(facts: Facts) -> str:
    """Why a repository that says nothing of itself cannot be run."""
    files = [file.path for file in facts.listing.files]
    made = _by_form(facts)
    if made and not facts.has(r"pytorch_lora_weights[^/]*|.*lora.*\.safetensors"):
        return made
    base = facts.base or "the model that it was taught on"
    if "lora" in facts.listing.tags or facts.has(r"pytorch_lora_weights[^/]*|[^/]*lora[^/]*\.s.*"):
        return (
            f"it is a LoRA for {base}, no model of its own. Give {facts.repo} as lora_weights to "
            "a model of that family that has such an input."
        )
    if facts.has(r"learned_embeds[^/]*"):
        return f"it is a word taught to {base} (textual inversion), for which there is no runner."
    if facts.has(r"params\.json") and facts.has(r"consolidated[^/]*\.(safetensors|pth)"):
        return (
            "its weights are in the form of its makers (params.json and consolidated weights), "
            "without a config.json for transformers. Look for a copy in transformers' form; its "
            "name may end in -hf."
        )
    below = sorted({_folder(path) for path in files if path.endswith("/config.json")})
    indexes = sorted({_folder(path) for path in files if path.endswith("/model_index.json")})
    if below or indexes:
        there = ", ".join((indexes or below)[:4])
        return (
            f"its models lie in folders ({there}), and nothing here loads one from there: a "
            "repository must have its config.json or model_index.json in the uppermost."
        )
    missing = "it has neither a config.json (transformers) nor a model_index.json (diffusers)"
    if facts.library:
        return f"{missing}; it is made for {facts.library}, for which there is no runner."
    if facts.has(r"[^/]*\.ckpt"):
        return (
            f"{missing}, and a .ckpt can run code when read (pickle): single files are taken as "
            "safetensors only. Look for the same model in one of these forms; its page may link "
            "to it."
        )
    return f"{missing}: nothing can load it. Look for a repository in one of these forms."


def without_kind(facts: Facts) -> str:
    """Why a config.json that is not transformers' cannot be run."""
    part = facts.config.get("_class_name")
    if part in known_classes.parts():
        name = facts.base or "the pipeline that it belongs to"
        return (
            f"its class is {part}: one part of a pipeline of diffusers, which runs only within the "
            f"whole. Add the repository of {name}, one with a model_index.json."
        )
    if part:
        return (
            f"its class is {part}, in the form of its makers: there is no model_index.json for "
            "diffusers. There may be a copy whose name ends in -Diffusers."
        )
    said = "its config.json names neither a model_type nor architectures"
    if facts.library == "timm":
        return (
            f"{said}; it is made for timm, which needs torchvision and has no runner. Models of "
            "transformers that sort pictures will do, such as hf:google/vit-base-patch16-224."
        )
    if facts.library:
        return f"{said}; it is made for {facts.library}, for which there is no runner."
    return f"{said}, so that it is none for transformers, and nothing here can load it."


def check_packages(facts: Facts) -> None:
    """Refuses what needs a package that is not there. Raises `BrokenModel`."""
    backbone = facts.part("backbone_config")
    timms = facts.config.get("use_timm_backbone") or backbone.get("model_type") == "timm_backbone"
    if timms and not _is_resnet(facts):
        raise facts.refusal(
            "its backbone comes from the package timm, which needs torchvision and is not "
            "installed. Some owners have a revision without it, such as "
            "hf:facebook/detr-resnet-50@no_timm; a model with a backbone of transformers will do."
        )
    if facts.part_of("tokenizer_config.json").get("is_uroman"):
        raise facts.refusal(
            "it reads a romanised alphabet, for which it needs the package uroman, which is not "
            "installed. Voices for languages in their own script will do."
        )
    vision = facts.part("vision_config")
    if facts.kind == "florence2" and "dim_embed" in vision:
        raise facts.refusal(
            "it is in the form of its makers' own code, and transformers has Florence-2 in "
            "another. Add hf:florence-community/Florence-2-base or another of that owner's."
        )
    if not (settings := facts.config.get("quantization_config")):
        if facts.has(r"hf_quant_config\.json"):
            raise facts.refusal(
                "its weights are quantized by ModelOpt for TensorRT-LLM (hf_quant_config.json), "
                f"which transformers would read as if they were not. Add {facts.original}."
            )
        return
    way = str(facts.part("quantization_config").get("quant_method") or "")
    if not way:
        how = "MLX, for Apple's chips" if facts.config.get("quantization") else str(settings)[:80]
        raise facts.refusal(
            f"its weights are quantized in a way that transformers does not know ({how}). "
            f"Add {facts.original}."
        )
    if way not in known_classes.quantizers() and way not in _QUANTIZED:
        raise facts.refusal(
            f"its weights are quantized with {way}, which transformers "
            f"{known_classes.version('transformers')} does not know. Add {facts.original}."
        )
    package = _QUANTIZED.get(way)
    if package and importlib.util.find_spec(package) is None:
        raise facts.refusal(
            f"its weights are quantized with {way}, which needs the package {package}: "
            f"pip install {package.replace('_', '-')}, or add {facts.original}."
        )


def _is_resnet(facts: Facts) -> bool:
    """Whether its backbone has another name in timm, and is the same (`timm_backbones.py`)."""
    return (
        facts.kind in ("conditional_detr", "detr", "table-transformer")
        and facts.config.get("backbone") in ("resnet18", "resnet34", "resnet50", "resnet101")
        and not facts.config.get("dilation")
    )


def check_weights(facts: Facts) -> None:
    """Refuses weights that transformers would not find, or of which some are missing. Raises
    `BrokenModel`.
    """
    files = [file.path for file in facts.listing.files]
    if not any(map(_LOADED.fullmatch, files)):
        raise facts.refusal(_not_loaded(facts, files))
    shards: dict[tuple[str, str, int], set[int]] = defaultdict(set)
    for found in filter(None, map(_SHARD.fullmatch, files)):
        group = found["name"], found["ending"], int(found["count"])
        shards[group].add(int(found["number"]))
    for (name, ending, count), numbers in shards.items():
        lacking = sorted({*range(1, count + 1)} - numbers)
        if "/" not in name and lacking and 0 not in numbers:
            raise facts.refusal(
                f"its weights are {count} files, and {len(lacking)} of them cannot be found, the "
                f"first {name}-{lacking[0]:05}-of-{count:05}{ending}. Its owner has to upload them."
            )


def looked_for(facts: Facts, files: Sequence[HubFile]) -> list[HubFile]:
    """Without weights in the uppermost folder that transformers does not look for: the same model
    for another library, or what is laid over it for each of a thousand languages. With those of
    layers after it that are in another format than its own.
    """
    found = [
        file
        for file in files
        if "/" in file.path or not is_weights(file.path) or _LOADED.fullmatch(file.path)
    ]
    there = {_folder(file.path) for file in found if is_weights(file.path)}
    return found + [
        file
        for file in facts.listing.files
        if re.fullmatch(r"\d+_Dense/pytorch_model\.bin", file.path)
        and _folder(file.path) not in there
    ]


def check_tokenizer(facts: Facts) -> None:
    """Refuses what reads text but has no tokenizer. Raises `BrokenModel`."""
    if not facts.has(_TOKENIZERS):
        raise facts.refusal(
            "it reads text, and has no tokenizer (such as a tokenizer.json). Many such "
            f"repositories use that of another: add {facts.original} if that will do."
        )


def _not_loaded(facts: Facts, files: list[str]) -> str:
    if reason := _by_form(facts):
        return reason
    weights = [path for path in files if path.endswith((".safetensors", ".bin", ".pt", ".pth"))]
    below = sorted({_folder(path) for path in weights if "/" in path})
    if not weights:
        return "no weights are in it: no safetensors file, nor any other known form."
    if len(below) and not any("/" not in path for path in weights):
        return (
            f"its weights lie in folders ({', '.join(below[:4])}), where transformers does not "
            "look for them: they must lie beside config.json."
        )
    return (
        f"transformers looks for model.safetensors, and its weights are called "
        f"{', '.join(weights[:3])}. Add {facts.original}."
    )


def _by_form(facts: Facts) -> str:
    """Why weights that are there in another library's form only cannot be run."""
    if facts.has(r"(.*/)?[^/]*\.(safetensors|bin|pt|pth|ckpt)"):
        return ""
    for endings, form in (
        (r"gguf", "GGUF, for llama.cpp"),
        (r"ggml", "GGML, as llama.cpp had them once"),
        (r"onnx", "ONNX networks only"),
        (r"h5|keras|tflite|pb", "only for TensorFlow"),
        (r"msgpack", "only for JAX"),
        (r"mlmodel|mlpackage/.*|mlmodelc/.*", "only for Apple's Core ML"),
        (r"nemo", "only for NVIDIA NeMo"),
    ):
        if facts.has(rf"(.*/)?[^/]*\.({endings})"):
            return f"its weights are {form}. Add {facts.original}."
    return ""


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)
