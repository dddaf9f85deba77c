"""Files that a person has put into a form: kept as ours, refused where there is nothing in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cog.encoding import FILE
from components.form import MEDIA
from components.input_fields import Field
from components.input_values import Upload
from errors import InvalidInput, Problem
from model_registry.inputs import check
from model_registry.spec import Version
from predictions.callers import Caller
from predictions.files import Files


async def stored(
    files: Files,
    version: Version,
    fields: Sequence[Field],
    inputs: Mapping[str, Any],
    caller: Caller,
) -> dict[str, Any]:
    """The inputs with uploads kept as files of the caller's. Raises `InvalidInput` for an empty
    picture, sound or video, together with whatever else is wrong, so that all are said at once.
    """
    kept = {name: await _stored(files, value, caller) for name, value in inputs.items()}
    problems = _empty(fields, inputs)
    if problems:
        try:
            check(version.schema, kept)
        except InvalidInput as error:
            problems += error.problems
        raise InvalidInput(problems)
    return kept


async def _stored(files: Files, value: Any, caller: Caller) -> Any:
    if isinstance(value, Upload):
        path = Path(value.path)
        return {FILE: (await files.adopt_upload(path, path.name, caller.owner)).id}
    if isinstance(value, list):
        return [await _stored(files, each, caller) for each in value]
    return value


def _empty(fields: Sequence[Field], inputs: Mapping[str, Any]) -> tuple[Problem, ...]:
    """A problem for each picture, sound or video without a single byte."""
    media = {field.name for field in fields if field.kind in MEDIA}
    return tuple(
        Problem(name, "invalid_file", "This file is empty. Choose another one.")
        for name, value in inputs.items()
        if name in media and isinstance(value, Upload) and not Path(value.path).stat().st_size
    )
