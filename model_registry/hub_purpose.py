"""What a repository of the Hub is for and who runs it; or why nothing does, and what would do."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from model_registry import hub_pipelines, hub_tasks, known_classes
from model_registry.hub_facts import Facts
from model_registry.hub_tasks import Task

_QUANTIZED = {
    "bitsandbytes": "bitsandbytes", "gptq": "gptqmodel", "awq": "gptqmodel",
    "compressed-tensors": "compressed_tensors", "hqq": "hqq", "quanto": "optimum",
    "torchao": "torchao", "aqlm": "aqlm", "auto-round": "auto_round", "eetq": "eetq",
}  # fmt: skip
"""The package that weights quantized in a way need; where none is named, transformers knows it."""

_AUTO = {
    "AutoModelForCausalLM": "text generation",
    "AutoModelForSeq2SeqLM": "text from text",
    "AutoModelForImageTextToText": "chat about pictures",
    "AutoModelForVision2Seq": "chat about pictures",
    "AutoModelForImageSegmentation": "segmentation",
    "AutoModelForSpeechSeq2Seq": "speech recognition",
    "AutoModelForCTC": "speech recognition",
    "AutoModel": "embeddings",
}
"""What code that a repository brings is loaded as, and the task that takes it."""

_NAMES = ", ".join(
    sorted(
        {task.name for task in hub_tasks.OF_TRANSFORMERS}
        | {each.name for each in hub_pipelines.OF_DIFFUSERS} - {""}
    )
)
"""All that can be added, for people."""


def task_of(facts: Facts, trusted: bool) -> tuple[Task, bool]:
    """The task, and whether it takes the repository's own code. `trusted`: a person has agreed to
    run the code of this very commit. Raises `BrokenModel`.
    """
    if "model_index.json" in facts.json:
        return _pipeline(facts), False
    if "adapter_config.json" in facts.json:
        base = facts.json["adapter_config.json"].get("base_model_name_or_path") or "its base model"
        raise facts.refusal(
            f"it is a LoRA for {base}, no model of its own. Add {base}, and give this as "
            "lora_weights where that has such an input."
        )
    if facts.has(r"model\.bin") and facts.has(r"vocabulary\.(json|txt)"):
        return hub_tasks.WHISPER, False
    if not facts.config:
        raise facts.refusal(_without_config(facts))
    if "modules.json" in facts.json:
        return _named("embeddings"), _own_code(facts, trusted)
    _check_packages(facts)
    if (task := _of_transformers(facts)) is not None:
        return task, False
    return _of_own_code(facts, trusted), True


def _pipeline(facts: Facts) -> Task:
    kind = facts.json["model_index.json"].get("_class_name")
    if isinstance(kind, list):
        raise facts.refusal(f"it brings code of its own for its pipeline ({kind[0]}.py).")
    installed = f"diffusers {known_classes.version('diffusers')}"
    if kind not in known_classes.pipelines():
        raise facts.refusal(f"{installed} has no {kind}; a newer release may.")
    try:
        return hub_pipelines.task_of(kind)
    except hub_pipelines.NoRunner as error:
        raise facts.refusal(f"its pipeline is a {kind}, and {error}.") from None


def _without_config(facts: Facts) -> str:
    if facts.has(r".*\.gguf"):
        return "its weights are GGUF, for llama.cpp. Add the repository that they were made from."
    if facts.has(r"(onnx/)?[^/]*\.onnx"):
        return "it has ONNX networks only. Add the repository that they were made from."
    missing = "it has neither a config.json (transformers) nor a model_index.json (diffusers)"
    single = facts.has(r"[^/]*\.(safetensors|ckpt)")
    more = "single files of weights do not say what they are" if single else "nothing can load it"
    return f"{missing}: {more}. Look for a repository in one of these forms."


def _of_transformers(facts: Facts) -> Task | None:
    """The task of a class that the installed transformers has; None if it has none for this.

    Several tasks may take one class: then what the owner calls it decides.
    """
    tag = facts.listing.task
    first = [task for task in hub_tasks.OF_TRANSFORMERS if tag in task.tags]
    rest = [task for task in hub_tasks.OF_TRANSFORMERS if tag not in task.tags]
    for task in (*first, *rest):
        if _takes(task, facts) and (task.name != "embeddings" or _is_text_encoder(facts, task)):
            if task.name == "text from text" and facts.kind in hub_tasks.TRANSLATORS:
                return _named("translation")
            if task.name == "translation" and tag not in task.tags:
                continue
            return task
    classes = {
        name
        for mapping in known_classes.transformers_mappings().values()
        for name in mapping.get(facts.kind, ())
    }
    known = classes & set(facts.architectures) or (classes if not facts.architectures else set())
    if known:
        raise facts.refusal(
            f"it is a {' or '.join(sorted(known))}"
            f"{f' for {tag}' if tag else ''}, for which there is no runner. Runners are there for: "
            f"{_NAMES}."
        )
    return None


def _takes(task: Task, facts: Facts) -> bool:
    if task.kinds and facts.kind not in task.kinds:
        return False
    mappings = known_classes.transformers_mappings()
    named = set(facts.architectures)
    found = [mappings.get(mapping, {}).get(facts.kind, frozenset()) for mapping in task.mappings]
    return any(classes and (not named or named & classes) for classes in found)


def _is_text_encoder(facts: Facts, task: Task) -> bool:
    """Whether what has no head reads text: nearly every kind of model has such a form."""
    reads = facts.has(r"tokenizer\.json|vocab\.txt|vocab\.json|.*\.model|.*\.spm")
    sees = facts.has(r"preprocessor_config\.json")
    return facts.listing.task in task.tags or (facts.listing.task is None and reads and not sees)


def _named(name: str) -> Task:
    return next(task for task in hub_tasks.OF_TRANSFORMERS if task.name == name)


def _of_own_code(facts: Facts, trusted: bool) -> Task:
    """The task of a class that the repository itself brings."""
    wanted = ", ".join(facts.architectures) or facts.kind or "a class that it does not name"
    installed = f"transformers {known_classes.version('transformers')}"
    auto = facts.config.get("auto_map") or {}
    if not auto:
        raise facts.refusal(
            f"{installed} has no {wanted} (model_type {facts.kind!r}); a newer release may."
        )
    found = [task for key, name in _AUTO.items() if key in auto for task in [_named(name)]]
    tagged = [task for task in hub_tasks.OF_TRANSFORMERS if facts.listing.task in task.tags]
    task = next((task for task in (*tagged, *found) if task.trusts), None)
    if task is None:
        raise facts.refusal(
            f"it is a {wanted} by code of its own, for {facts.listing.task or 'no task named'}, "
            f"for which there is no runner. Runners are there for: {_NAMES}."
        )
    _own_code(facts, trusted, wanted)
    return task


def _own_code(facts: Facts, trusted: bool, wanted: str = "") -> bool:
    """Whether the repository's own code is to run. Raises `BrokenModel` where nobody agreed."""
    auto = facts.config.get("auto_map") or {}
    mappings = known_classes.transformers_mappings()
    if not auto or any(facts.kind in kinds for kinds in mappings.values()):
        return False
    places = {str(place) for each in auto.values() for place in _as_list(each) if place}
    if other := sorted(place.partition("--")[0] for place in places if "--" in place):
        raise facts.refusal(
            f"its code lies in another repository ({other[0]}), which this commit does not hold."
        )
    if not trusted:
        code = ", ".join(sorted({f"{place.partition('.')[0]}.py" for place in places}))
        raise facts.refusal(
            f"it runs code of its own for {wanted or 'its class'} ({code}), with all that you may "
            f"do on this machine. Read it at {facts.page}/tree/{facts.listing.commit}; if you "
            f"trust it, add it again with --trust-remote-code {facts.listing.commit}"
        )
    return True


def _check_packages(facts: Facts) -> None:
    """Refuses what needs a package that is not there."""
    backbone = facts.config.get("backbone_config") or {}
    if facts.config.get("use_timm_backbone") or backbone.get("model_type") == "timm_backbone":
        raise facts.refusal(
            "its backbone comes from the package timm, which needs torchvision and is not "
            "installed. A model with a backbone of transformers will do, such as a Mask2Former."
        )
    if (facts.json.get("tokenizer_config.json") or {}).get("is_uroman"):
        raise facts.refusal(
            "it reads a romanised alphabet, for which it needs the package uroman, which is not "
            "installed. Voices for languages in their own script will do."
        )
    way = str((facts.config.get("quantization_config") or {}).get("quant_method") or "")
    package = _QUANTIZED.get(way)
    if package and importlib.util.find_spec(package) is None:
        raise facts.refusal(
            f"its weights are quantized with {way}, which needs the package {package}: "
            f"pip install {package.replace('_', '-')}, or add the repository they were made from."
        )


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]
