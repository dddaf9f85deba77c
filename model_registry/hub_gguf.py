"""Language models in GGUF, llama.cpp's form, in one file or cut into several, which transformers
unpacks when it loads them. Asks nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from model_registry import hub_choice, hub_tasks, known_classes
from model_registry.hub_card import described, licence
from model_registry.hub_facts import Facts
from model_registry.hub_headers import Header
from model_registry.hub_recipe import memory
from model_registry.listing import HubFile

TASK = next(each for each in hub_tasks.OF_TRANSFORMERS if each.name == "text generation")


def spec_of(facts: Facts, files: Sequence[HubFile], headers: Sequence[Header]) -> dict[str, Any]:
    """A spec without its name, of the `files` that are one model. Raises `BrokenModel`."""
    file = files[0]
    header = Header(
        {name: each.shapes[name] for each in headers for name in each.shapes}, headers[0].said
    )
    _check(facts, file, header)
    numbers = header.numbers()
    unpacked = " It is unpacked when it is loaded: every file of it takes the same memory then."
    return {
        "category": TASK.category,
        "description": described(facts, f"{TASK.name}, a GGUF")
        + hub_choice.others(facts, file)
        + unpacked,
        "runner": TASK.runner,
        "weights": facts.weights(files),
        "setup": {"gguf": {"file": file.path, "numbers": numbers}},
        "licence": licence(facts),
        "heavy": True,
        "verified": "tiny",
        # What is unpacked cannot be packed again while it is loaded.
        **memory(numbers, TASK, packed=True),
    }


def _check(facts: Facts, file: HubFile, header: Header) -> None:
    kind = str(header.said.get("general.architecture") or "none that it names")
    purpose = header.said.get("general.type", "model")
    if purpose != "model":
        raise facts.refusal(
            f"{file.path} is a GGUF of {purpose}, no model of its own. Add {facts.original}."
        )
    known = known_classes.gguf_kinds()
    if kind.translate(known_classes.JOINED) not in known:
        raise facts.refusal(
            f"{file.path} is of the architecture {kind}, and transformers "
            f"{known_classes.version('transformers')} reads GGUF of {', '.join(sorted(known))}. "
            f"Add {facts.original}."
        )
    if "tokenizer.ggml.model" not in header.said:
        raise facts.refusal(f"{file.path} has no tokenizer. Add {facts.original}.")
    if not header.has("token_embd."):
        raise facts.refusal(f"{file.path} holds no weights of its words: it is a part of a model.")
