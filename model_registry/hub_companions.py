"""What a model of the Hub needs from a second repository, as what turns its numbers into sound."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from model_registry import hub_tasks
from model_registry.hub_facts import Facts
from model_registry.hub_recipe import UNSAFE
from model_registry.listing import choose


def of(spec: Mapping[str, Any]) -> tuple[str, str] | None:
    """The role of the part that a spec made by `recipe` lacks, and the repository that has it."""
    runners = {task.runner: task.companion for task in hub_tasks.OF_TRANSFORMERS}
    return runners.get(spec["runner"])


def joined(
    spec: Mapping[str, Any], role: str, facts: Facts, unsafe_formats: bool
) -> dict[str, Any]:
    """The spec with that part, from the repository of `facts`. Raises `BrokenModel`."""
    files = choose(facts.listing)
    unsafe = [file.path for file in files if PurePosixPath(file.path).suffix in UNSAFE]
    if unsafe and not unsafe_formats:
        raise facts.refusal(
            f"{spec['weights']['repo']} needs it as its {role}, and {' and '.join(unsafe[:3])} can "
            "run code when read (pickle). If you trust the owner, add it again with "
            "--unsafe-formats."
        )
    return {**spec, "parts": {role: facts.weights(files)}}
