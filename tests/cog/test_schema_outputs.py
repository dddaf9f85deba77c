"""Outputs in Replicate's OpenAPI dialect: each row of Cog's type table, and what is refused."""

# ruff: noqa: UP006, UP035 (models out there write types in the old way too)

# No `from __future__ import annotations` here: both spellings of annotations are tested.
import datetime
import pathlib
import typing
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Dict, List, Literal

import pydantic
import pydantic.v1
import pytest

from cog import AsyncConcatenateIterator, ConcatenateIterator, File, Opaque, Path, Secret
from cog.schema import document
from cog.signature import SignatureError
from tests.cog.annotated import FILE, OBJECT, SECRET, Boxes, Checked, Mood, Nested, Point, schemas


class FirstGeneration(pydantic.v1.BaseModel):
    text: str
    score: float | None


def giving(annotation):
    """The Output schema of a runner that returns that type."""

    def predict(text: str): ...

    predict.__annotations__["return"] = annotation
    return schemas(predict)["Output"]


@pytest.mark.parametrize(
    ("annotation", "described"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (Path, FILE),
        (File, FILE),
        (pathlib.Path, FILE),
        (Secret, SECRET),
        (Any, OBJECT),
        (dict, OBJECT),
        (Dict, OBJECT),
        (dict[str, int], {**OBJECT, "additionalProperties": {"type": "integer"}}),
        (
            dict[str, dict[str, Path]],
            {**OBJECT, "additionalProperties": {**OBJECT, "additionalProperties": FILE}},
        ),
        (list, {"type": "array", "items": OBJECT}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (List[Path], {"type": "array", "items": FILE}),
        (Annotated[Boxes, Opaque], OBJECT),
        (Iterator[Path], {"type": "array", "items": FILE, "x-cog-array-type": "iterator"}),
        (
            typing.AsyncIterator[int],
            {"type": "array", "items": {"type": "integer"}, "x-cog-array-type": "iterator"},
        ),
        (
            AsyncIterator[dict],
            {"type": "array", "items": OBJECT, "x-cog-array-type": "iterator"},
        ),
    ],
)
def test_each_type_of_output(annotation, described):
    assert giving(annotation) == {**described, "title": "Output"}


@pytest.mark.parametrize("annotation", [ConcatenateIterator[str], AsyncConcatenateIterator[str]])
def test_streamed_text_is_an_array_to_be_joined(annotation):
    assert giving(annotation) == {
        "title": "Output",
        "type": "array",
        "items": {"type": "string"},
        "x-cog-array-type": "iterator",
        "x-cog-array-display": "concatenate",
    }


BOXES = {
    "type": "object",
    "properties": {
        "label": {"type": "string", "title": "Label"},
        "score": {"type": "number", "title": "Score", "nullable": True},
        "crop": {**FILE, "title": "Crop"},
        "rest": {"type": "integer", "title": "Rest"},
    },
    "required": ["label", "crop"],
}


def test_a_class_with_fields_is_an_object_with_its_titles():
    assert giving(Boxes) == {**BOXES, "title": "Output"}


def test_nested_classes_are_written_out():
    found = giving(Nested)
    assert found["properties"]["best"] == {**BOXES, "title": "Best"}
    assert found["properties"]["all"] == {"type": "array", "items": BOXES, "title": "All"}
    assert giving(list[Boxes])["items"] == BOXES
    assert giving(Iterator[Boxes])["items"] == BOXES


def test_pydantic_models_and_typed_dicts_are_objects_too():
    assert giving(Checked) == {
        "title": "Output",
        "type": "object",
        "properties": {
            "text": {"type": "string", "title": "Text"},
            "score": {"type": "number", "title": "Score", "nullable": True},
        },
        "required": ["text"],
    }
    assert giving(FirstGeneration) == giving(Checked)
    assert giving(Point) == {
        "title": "Output",
        "type": "object",
        "properties": {"x": {"type": "integer", "title": "X"}},
        "required": ["x"],
    }


@pytest.mark.parametrize(
    "annotation",
    [
        bytes, Mood, Literal["a"], ConcatenateIterator[int], list[Iterator[str]],
        datetime.datetime, str | bytes,
    ],
)  # fmt: skip
def test_a_type_that_is_no_output_is_refused_with_what_is_allowed(annotation):
    with pytest.raises(SignatureError, match="returns .*allowed are str, int"):
        giving(annotation)


def test_a_runner_must_say_what_it_returns():
    def silent(text: str): ...

    def none(text: str) -> None: ...

    for function in (silent, none):
        with pytest.raises(SignatureError, match="does not say what it returns"):
            document(function)
