"""LoRA weights of the Hub for language models → what has to be in a spec for them: their base, with
them as a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from errors import BrokenModel
from model_registry.hub_card import described
from model_registry.hub_facts import Facts
from model_registry.listing import choose

RUNNER = "text_generation:TextGeneration"
"""The only one that lays them over its model when it is set up."""
_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def base_of(facts: Facts) -> tuple[str, str | None] | None:
    """The repository, and the revision if one is named, that LoRA weights for a language model were
    taught on; None for all else.
    """
    said = facts.part_of("adapter_config.json")
    base = str(said.get("base_model_name_or_path") or "")
    if said.get("peft_type") != "LORA" or said.get("task_type") != "CAUSAL_LM":
        return None
    if not _REPOSITORY.fullmatch(base):  # a folder of its owner's
        base = facts.base
    return (base, said.get("revision") or None) if base else None


def laid_over(facts: Facts, base: Mapping[str, Any], unsafe_formats: bool) -> dict[str, Any]:
    """The spec of the `base` with the LoRA as a part. Raises `BrokenModel`."""
    name = base["weights"]["repo"]
    if base["runner"] != RUNNER:
        raise facts.refusal(f"it is a LoRA for {name}, whose runner takes none.")
    files = [file for file in choose(facts.listing) if "/" not in file.path]
    weights = [file.path for file in files if file.path.startswith("adapter_model.")]
    if not weights or (weights[0].endswith(".bin") and not unsafe_formats):
        raise facts.refusal(
            f"it is a LoRA for {name}, and has no adapter_model.safetensors. An adapter_model.bin "
            "can run code when read (pickle): if you trust the owner of one, add it again with "
            "--unsafe-formats."
        )
    # It could not be joined with weights that are packed.
    rungs = {name: size for name, size in base.get("precisions", {}).items() if name == "bf16"}
    return {
        **base,
        "description": described(facts, f"text generation, a LoRA over {name}"),
        "parts": {"adapter": facts.weights(files)},
        **({"precisions": rungs} if rungs else {}),
        "spreads": False,
    }


def refused(facts: Facts, base: str, error: BrokenModel) -> BrokenModel:
    """Where the base itself cannot be run."""
    return facts.refusal(f"it is a LoRA for {base}, and {error}")
