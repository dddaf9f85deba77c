"""The files inside inputs and outputs: which there are, and something else in their place.

A file is the dictionary `{FILE: "<id>/<name>"}`, wherever it sits; what it holds is its reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cog.encoding import FILE


def reference_of(value: Any) -> str | None:
    """The reference that `value` is, None if it is not a file."""
    reference = value.get(FILE) if isinstance(value, Mapping) else None
    return reference if isinstance(reference, str) else None


def references(value: Any) -> set[str]:
    """Every file that an input or output refers to."""
    if (reference := reference_of(value)) is not None:
        return {reference}
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return set()
    return {reference for each in value for reference in references(each)}


def replaced(value: Any, change: Callable[[Any], Any]) -> Any:
    """`value` with `change(reference)` in place of every file."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        if FILE in value:
            return change(value[FILE])
        return {key: replaced(inner, change) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [replaced(inner, change) for inner in value]
    return value
