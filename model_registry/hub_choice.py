"""Which single file of a repository is a model by itself, where several are: other precisions of
the same one are chosen between, other models are not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from model_registry.hub_facts import Facts
from model_registry.listing import HubFile

_SHOWN = 12
_CUT = re.compile(r"-(\d{5})-of-(\d{5})(?=\.)")
_BESIDE_GGUF = re.compile(r"mmproj|imatrix|lora|vae|text[-_]?encoder|draft", re.IGNORECASE)
_BESIDE_CHECKPOINT = re.compile(
    r"(?<![a-z])(vae|lora|locon|lycoris|embeddings?|text_?encoder|clip|t5|controlnet|control|"
    r"ip.?adapter|upscaler?|refiner|inpaint(ing)?|unet)(?![a-z])",
    re.IGNORECASE,
)
_PRECISION = re.compile(
    r"[-_. ]*(pruned|ema[-_]?only|no[-_]?ema|non[-_]?ema|ema|fp16|fp32|bf16|fp8(_e\dm\d(fn)?)?"
    r"|full|half|safe)(?![a-z])",
    re.IGNORECASE,
)
_PACKED = re.compile(
    r"(?<![a-z0-9])((iq|q|tq)\d+(_\w+)?|b?f16|fp16|f32|fp32|mxfp4\w*)(?=[-_.])", re.IGNORECASE
)
_BEST = (
    "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_M", "Q4_K_S", "Q4_1", "Q4_0", "IQ4",
    "F16", "FP16", "BF16", "F32", "FP32", "MXFP4", "Q3_K", "IQ3", "Q2_K", "IQ2",
)  # fmt: skip
"""All of a GGUF is unpacked when it is loaded, and then takes the same memory: the first is the
smallest download that loses next to nothing.
"""


def gguf(facts: Facts) -> HubFile | None:
    """The one that was asked for, or the best; None where a repository has other weights as well.
    Of one that is cut into several files it is the first. Raises `BrokenModel`.
    """
    found = [file for file in facts.listing.files if file.path.lower().endswith(".gguf")]
    if facts.file:
        if not facts.file.lower().endswith(".gguf"):
            return None
        return parts(facts, _asked(facts, found))[0]
    if not found or facts.has(r"([^/]*/)?[^/]*\.(safetensors|bin|pt|pth|ckpt)"):
        return None
    models = [file for file in found if not _BESIDE_GGUF.search(_name(file))] or found
    first = [file for file in models if _number(file) == 1] or models
    kinds = {_PACKED.sub("", _CUT.sub("", _name(file))).lower() for file in first}
    if len(kinds) > 1:
        raise _several(facts, first)
    return parts(facts, min(first, key=_rank))[0]


def parts(facts: Facts, file: HubFile) -> list[HubFile]:
    """The files of the same model as `file`, in order: it alone, or those that it was cut into.
    Raises `BrokenModel` where one of them is not there.
    """
    found = _CUT.search(file.path)
    if not found:
        return [file]
    there = {each.path: each for each in facts.listing.files}
    count = int(found[2])
    named = [_CUT.sub(f"-{at:05}-of-{count:05}", file.path) for at in range(1, count + 1)]
    if lacking := [name for name in named if name not in there]:
        raise facts.refusal(
            f"its weights are {count} files, and {len(lacking)} of them cannot be found, the "
            f"first {lacking[0]}. Its owner has to upload them."
        )
    return [there[name] for name in named]


def checkpoint(facts: Facts) -> HubFile | None:
    """The one that was asked for, or the only one, in the smallest form of 16 bits or more; None
    where there is none. Raises `BrokenModel`.
    """
    found = [file for file in facts.listing.files if file.path.endswith(".safetensors")]
    if facts.file:
        return _asked(facts, found)
    found = [file for file in found if "/" not in file.path] or found
    models = [file for file in found if not _BESIDE_CHECKPOINT.search(_name(file))] or found
    if len({_PRECISION.sub("", _name(file)).lower() for file in models}) > 1:
        raise _several(facts, models)
    return min(models, key=lambda file: ("fp8" in file.path, file.size), default=None)


def others(facts: Facts, chosen: HubFile) -> str:
    """How to get another file than the chosen one; empty where there is none."""
    ending = PurePosixPath(chosen.path).suffix
    count = sum(file.path.endswith(ending) and _number(file) == 1 for file in facts.listing.files)
    if count < 2 or facts.file:
        return ""
    return f" It is {chosen.path}, one of {count}: hf:{facts.repo}:FILE takes another."


def _asked(facts: Facts, found: Sequence[HubFile]) -> HubFile:
    for file in found:
        if file.path == facts.file:
            return file
    if facts.has(re.escape(facts.file)):
        raise facts.refusal(
            f"{facts.file} is no file that is a model by itself and holds nothing but numbers: "
            "that may be one of .safetensors or .gguf."
        )
    there = _shown(found) or "no such file at all"
    raise facts.refusal(f"it has no {facts.file}. It has {there}.")


def _several(facts: Facts, found: Sequence[HubFile]) -> Exception:
    return facts.refusal(
        f"it holds several models: {_shown(found)}. Name one, such as "
        f"hf:{facts.repo}:{found[0].path}"
    )


def _shown(files: Sequence[HubFile]) -> str:
    shown = ", ".join(file.path for file in files[:_SHOWN])
    return shown + (f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else "")


def _rank(file: HubFile) -> tuple[int, int]:
    found = _PACKED.search(_name(file))
    way = found[1].upper() if found else ""
    at = next((number for number, each in enumerate(_BEST) if way.startswith(each)), len(_BEST))
    return at, -file.size


def _number(file: HubFile) -> int:
    """Its place among the files that one was cut into."""
    found = _CUT.search(file.path)
    return int(found[1]) if found else 1


def _name(file: HubFile) -> str:
    return PurePosixPath(file.path).name
