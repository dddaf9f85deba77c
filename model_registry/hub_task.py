"""What a repository of the Hub can be for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """`tags` are the Hub's names for it (pipeline tags). `mappings` are transformers' automatic
    classes whose models the runner loads, `kinds` the only kinds (`model_type`) of those, where not
    all are. Where a tag says so, it also takes classes whose names have one of the endings `also`:
    their last layer is left out, or is one more than is needed. `setup` and `inputs` go into the
    spec. `trusts`: it can run a repository's own code. `companion` is the role of a part that comes
    from another repository, and that repository.
    """

    name: str
    runner: str
    category: str
    tags: tuple[str, ...]
    mappings: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    also: tuple[str, ...] = ()
    setup: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    trusts: bool = True
    companion: tuple[str, str] | None = None
    large: bool = False
    """Has a ladder down to 4 bits."""
