"""What a repository of the Hub says of itself and is for → what has to be in a spec for it. Asks
nobody, and names no model.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from model_registry import hub_lacks, hub_purpose, hub_rankers, hub_tasks
from model_registry.hub_card import described, licence
from model_registry.hub_facts import Facts
from model_registry.hub_tasks import Task
from model_registry.listing import HubFile, choose, is_weights
from model_registry.sizes import written
from model_registry.spec_files import RUNNERS

UNSAFE = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""Formats in which reading a file can run code."""

_FLORENCE = (
    "What to do, alone and in its own words, such as <CAPTION>, <DETAILED_CAPTION>, <OCR> or <OD>."
)
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1, "float8_e4m3fn": 1}


def recipe(facts: Facts, trusted: bool, unsafe_formats: bool) -> dict[str, Any]:
    """A spec without its name. `trusted`: a person has agreed to run the code of this very commit.
    Raises `BrokenModel`, saying which class or file is missing and what would do.
    """
    task, trusts = hub_purpose.task_of(facts, trusted)
    if not (RUNNERS / f"{task.runner.partition(':')[0]}.py").is_file():
        raise facts.refusal(f"it makes {task.name}, for which there is no runner here yet.")
    files = _files(facts, task, trusts, unsafe_formats)
    weights = sum(file.size for file in files if is_weights(file.path))
    setup = {**task.setup, **({"trust_code": True} if trusts else {})}
    inputs = {**task.inputs, **_inputs(facts, task)}
    packed = bool(facts.config.get("quantization_config"))
    spec: dict[str, Any] = {
        "category": task.category,
        "description": described(facts, task.name),
        "runner": task.runner,
        "weights": facts.weights(files),
        "licence": licence(facts),
        "heavy": True,
        "verified": "tiny",
        **memory(_numbers(facts, weights), task, packed),
    }
    if task.large and spec.get("gpu") and not (packed or trusts or _has_experts(facts)):
        spec["spreads"] = True
    return spec | ({"setup": setup} if setup else {}) | ({"inputs": inputs} if inputs else {})


def _files(facts: Facts, task: Task, trusts: bool, unsafe_formats: bool) -> list[HubFile]:
    listing = facts.listing
    if task in hub_tasks.OF_TRANSFORMERS or task.runner == hub_rankers.BY_WORD.runner:
        hub_lacks.check_weights(facts)
    if task.category == "language":
        hub_lacks.check_tokenizer(facts)
    if task is hub_tasks.WHISPER:  # a plain list of numbers, in spite of its name
        return list(choose(listing, ("model.bin", "*.json", "*.txt")))
    files = list(choose(listing))
    if task in hub_tasks.OF_TRANSFORMERS and not trusts:
        files = hub_lacks.looked_for(facts, files)
    unsafe = [file.path for file in files if PurePosixPath(file.path).suffix in UNSAFE]
    if unsafe and not unsafe_formats:
        raise facts.refusal(
            f"{' and '.join(unsafe[:3])}{' and more' if len(unsafe) > 3 else ''} can run code when "
            "read (pickle), and there are no safetensors. Ask the owner for them, or, if you trust "
            "the owner, add it again with --unsafe-formats."
        )
    if not any(is_weights(file.path) for file in files):
        raise facts.refusal("no weights are in it: no safetensors file, nor any other known form.")
    if trusts:
        files += [file for file in listing.files if file.path.endswith(".py")]
    return files


def _inputs(facts: Facts, task: Task) -> dict[str, Any]:
    """Inputs that mean nothing to this model are taken away; defaults come from its settings."""
    if task.name == "speech recognition" and facts.kind != "whisper":
        return {"language": None, "translate": None}
    if facts.kind == "florence2":
        return {"prompt": {"default": "<CAPTION>", "description": _FLORENCE}}
    if task.runner in ("text_generation:TextGeneration", "vision_chat:VisionChat"):
        return _sampling(facts)
    if task.runner != "text_to_text:TextToText":
        return {}
    found: dict[str, Any] = {}
    marks = [word for word in facts.json.get("vocab.json") or () if re.fullmatch(">>.+<<", word)]
    if facts.kind not in hub_tasks.TONGUES:
        found["source_language"] = None
        if not marks:
            found["target_language"] = None
    special = facts.part("task_specific_params")
    names = ("translation", "summarization")
    prefix = next(
        (
            str(each["prefix"])
            for name, each in special.items()
            if name.startswith(names) and isinstance(each, dict) and each.get("prefix")
            and (facts.listing.task is None or name.startswith(facts.listing.task[:9]))
        ),
        "",
    )  # fmt: skip
    if prefix:
        found["prefix"] = {"default": prefix}
    elif facts.kind not in ("t5", "mt5", "umt5", "longt5"):
        found["prefix"] = None
    return found


def _sampling(facts: Facts) -> dict[str, Any]:
    """How the owner would have words chosen, where that is said."""
    said = facts.part_of("generation_config.json")
    if not said.get("do_sample"):
        return {}
    return {
        name: {"default": value}
        for name, low, high in (("temperature", 0, 5), ("top_p", 0, 1), ("top_k", 0, 10**6))
        if isinstance(value := said.get(name), int | float) and low <= value <= high
    }


def _numbers(facts: Facts, weights: int) -> float:
    """How many numbers there are in so many bytes of weights."""
    if "model_index.json" in facts.json:
        return weights / 2  # diffusers' files rarely say; most are of 16 bits
    if facts.config.get("quantization_config"):
        return weights
    said = str(facts.config.get("dtype") or facts.config.get("torch_dtype") or "float32")
    return weights / _BYTES.get(said, 4)


def _has_experts(facts: Facts) -> bool:
    """Whether it is a mixture of experts: at 4 bits they are brought to one card."""
    told = {**facts.config, **facts.part("text_config")}
    return any(told.get(f"{name}_experts") for name in ("num_local", "num", "n_routed"))


def memory(numbers: float, task: Task, packed: bool = False) -> dict[str, Any]:
    """What so many numbers take: an estimate, which use replaces. `packed`: they are quantized
    already, or cannot be.
    """
    room = 600_000_000
    full = numbers * (2 if numbers > 1e9 else 4) * 1.15 + room
    found: dict[str, Any] = {"memory": written(full)}
    if numbers > 3e8:
        half = numbers * 2 * 1.15 + 2 * room
        rungs = {"bf16": half}
        if task.large and not packed:
            rungs |= {"int8": numbers * 1.25 + 2 * room, "4bit": numbers * 0.75 + 2 * room}
        elif task.category in ("image", "video", "editing"):
            rungs["offload"] = numbers * 1.1 + 2 * room
        found["precisions"] = {name: written(size) for name, size in rungs.items()}
        found["gpu"] = numbers > 1e9
    return found
