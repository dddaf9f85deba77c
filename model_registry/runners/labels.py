"""What a model knows by name, and how sure it is of each. No runner: those that sort import it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from cog import InvalidInput


class Label(TypedDict):
    label: str
    score: float


def ranked(names: Sequence[str], scores: Sequence[float], most: int | None = None) -> list[Label]:
    """The surest first, and no more than `most`."""
    found = sorted(zip(names, scores, strict=True), key=lambda each: -each[1])
    return [Label(label=name, score=round(score, 4)) for name, score in found[:most]]


def names_of(model: Any) -> list[str]:
    """What the model calls what it knows, in the order of its scores."""
    return [str(name) for _, name in sorted(model.config.id2label.items())]


def scores_of(model: Any, logits: Any) -> Any:
    """How sure the model is of each label: each for itself where several may be right, or where
    there is no other; else against the others.
    """
    several = model.config.problem_type == "multi_label_classification"
    return logits.sigmoid() if several or len(logits) == 1 else logits.softmax(-1)


def candidates(labels: Sequence[str], least: int = 1) -> list[str]:
    """What a person gives to choose from. Raises `InvalidInput`."""
    found = list(dict.fromkeys(each.strip() for each in labels if each.strip()))
    if len(found) < least:
        raise InvalidInput(
            f"labels has {len(found)} names; at least {least} must be there to choose from."
        )
    return found


def filled(template: str, labels: Sequence[str]) -> list[str]:
    """The template with each of the labels in its place. Raises `InvalidInput`."""
    if "{}" not in template:
        raise InvalidInput(f"template is {template!r}; it must have {{}} where a label belongs.")
    return [template.replace("{}", each) for each in labels]
