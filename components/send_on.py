"""Where a result can go next: models that take a file of its kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from components import facts, input_fields
from components.input_fields import InputKind
from components.output_views import ViewKind
from model_registry.spec import Model, Version

INPUTS: Mapping[ViewKind, InputKind] = {
    ViewKind.IMAGE: InputKind.IMAGE,
    ViewKind.AUDIO: InputKind.AUDIO,
    ViewKind.VIDEO: InputKind.VIDEO,
}

NOWHERE = ("Send to …", "")


def choices(models: Iterable[Model], kind: ViewKind) -> list[tuple[str, str]]:
    """The models with an input for such a file, behind a choice that stands for none."""
    takers = [
        (facts.title(model), model.id)
        for model in models
        if input_for(model.latest, kind) is not None
    ]
    return [NOWHERE, *takers]


def input_for(version: Version, kind: ViewKind) -> str | None:
    """The input that takes such a file: one that is required before any other."""
    wanted = INPUTS.get(kind)
    fitting = [
        each
        for each in input_fields.fields(version.schema)
        if each.kind is wanted and not each.deprecated
    ]
    fitting.sort(key=lambda each: not each.required)
    return fitting[0].name if fitting else None
