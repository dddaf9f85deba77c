"""The type tables of Cog's contract (§4 and §5.1), row by row: each as a model would write it, once
imported and once only read.
"""

from __future__ import annotations

import pytest

from cog.schema import document
from cog.signature import SignatureError
from cog.source import read_document

PRELUDE = """
import datetime
import enum
import os
import pathlib
import typing
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path as PlainPath
from typing import Annotated, Any, Dict, Generator, List, Literal, Optional, TypedDict, Union

import pydantic

from cog import (
    AsyncConcatenateIterator, BaseModel, ConcatenateIterator, File, Input, Opaque, Path, Secret,
)

class Mood(enum.Enum):
    CALM = "calm"
    LIVELY = "lively"

class Point(TypedDict):
    x: int

class Boxes(BaseModel):
    label: str
    score: Optional[float]
    crop: Path
    rest: int = 3

class Page(BaseModel):
    best: Boxes
    all: list[Boxes]

class Checked(pydantic.BaseModel):
    text: str
    score: Optional[float] = None

@dataclass
class Plain:
    text: str

SIZES = {"small": 256, "large": 1024}
MORE = ["a"]
"""

FILE = {"type": "string", "format": "uri"}
SECRET = {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True}
OBJECT = {"type": "object"}
STRING, INTEGER, NUMBER, BOOLEAN = (
    {"type": name} for name in ("string", "integer", "number", "boolean")
)
NULL = {"nullable": True}


def array(items):
    return {"type": "array", "items": items}


def imported(source, folder):
    written = {}
    exec(compile(source, "predict.py", "exec", dont_inherit=True), written)
    return document(written["run"])


def only_read(source, folder):
    (folder / "predict.py").write_text(source)
    return read_document(str(folder), "predict.py:run")


@pytest.fixture(params=[imported, only_read], ids=lambda way: way.__name__)
def schemas(request, tmp_path):
    """The components of a function's document, the function given by its first line."""

    def schemas(line):
        source = f"{PRELUDE}\ndef run({line}: ...\n"
        return request.param(source, tmp_path)["components"]["schemas"]

    return schemas


INPUTS = [
    ("str", STRING, True),
    ("int", INTEGER, True),
    ("float", NUMBER, True),
    ("bool", BOOLEAN, True),
    ("Path", FILE, True),
    ("File", FILE, True),
    ("pathlib.Path", FILE, True),
    ("PlainPath", FILE, True),
    ("os.PathLike", FILE, True),
    ("Path = Input(accept='image/*')", {**FILE, "x-cog-accept": "image/*"}, True),
    ("list[Path] = Input(accept='.png')", {**array(FILE), "x-cog-accept": ".png"}, True),
    ("Secret", SECRET, True),
    ("Secret = Input(default=None)", {**SECRET, **NULL, "default": None}, False),
    ("dict", OBJECT, True),
    ("dict[str, int]", OBJECT, True),
    ("Dict", OBJECT, True),
    ("Point", OBJECT, True),
    ("Any", OBJECT, True),
    ("list[str]", array(STRING), True),
    ("List[int]", array(INTEGER), True),
    ("list[float]", array(NUMBER), True),
    ("list[bool]", array(BOOLEAN), True),
    ("list[dict]", array(OBJECT), True),
    ("list[Path]", array(FILE), True),
    ("list[Secret]", array(SECRET), True),
    ("Optional[str]", {**STRING, **NULL}, False),
    ("int | None", {**INTEGER, **NULL}, False),
    ("Union[float, None]", {**NUMBER, **NULL}, False),
    ("Optional[Path]", {**FILE, **NULL}, False),
    ("Optional[Secret]", {**SECRET, **NULL}, False),
    ("Optional[list[str]]", {**array(STRING), **NULL}, False),
    ("str | float", {"anyOf": [STRING, NUMBER]}, True),
    ("Union[str, list[int]]", {"anyOf": [STRING, array(INTEGER)]}, True),
    ("str | float | None", {"anyOf": [STRING | NULL, NUMBER | NULL], **NULL}, True),
    (
        "str | float | None = None",
        {"anyOf": [STRING | NULL, NUMBER | NULL], **NULL, "default": None},
        False,
    ),
    ("Annotated[int, 'a note']", INTEGER, True),
    ("Annotated[Optional[int], 'a note']", {**INTEGER, **NULL}, False),
    ("Annotated[Point, Opaque]", OBJECT, True),
    ("Annotated[list[Point], Opaque]", array(OBJECT), True),
    ("'Optional[str]'", {**STRING, **NULL}, False),
    # constraints
    ("int = Input(ge=0, le=9)", {**INTEGER, "minimum": 0, "maximum": 9}, True),
    ("float = Input(7.5, ge=0)", {**NUMBER, "minimum": 0, "default": 7.5}, False),
    (
        "str = Input(min_length=1, max_length=9, regex='^a')",
        {**STRING, "minLength": 1, "maxLength": 9, "pattern": "^a"},
        True,
    ),
    (
        "str = Input(description='Words', deprecated=True)",
        {**STRING, "description": "Words", "deprecated": True},
        True,
    ),
    # the default handling traps
    ("int = Input(default=None)", {**INTEGER, **NULL, "default": None}, False),
    ("int = None", {**INTEGER, **NULL, "default": None}, False),
    ("str = Input('a')", {**STRING, "default": "a"}, False),
    ("int = Input(default=2**31 - 1)", {**INTEGER, "default": 2147483647}, False),
    ("int = Input(default=int('4'))", {**INTEGER, "default": 4}, False),
    ("str = Input(default=f'a{1 + 1}')", {**STRING, "default": "a2"}, False),
    (
        "str = Input(default='a', description='one ' 'and two')",
        {**STRING, "default": "a", "description": "one and two"},
        False,
    ),
    ("int = Input(default=-1, ge=-1)", {**INTEGER, "default": -1, "minimum": -1}, False),
    ("list[str] = Input(default=['a'])", {**array(STRING), "default": ["a"]}, False),
    ("dict = {'a': 1}", {**OBJECT, "default": {"a": 1}}, False),
    # wiser than Cog: an array whose items are chosen from
    (
        "list[str] = Input(choices=['a', 'b'])",
        array({**STRING, "enum": ["a", "b"]}),
        True,
    ),
    ("list[Literal['a', 'b']]", array({**STRING, "enum": ["a", "b"]}), True),
    ("list", array({}), True),
    ("List", array({}), True),
]


@pytest.mark.parametrize(("written", "described", "required"), INPUTS, ids=lambda v: str(v)[:50])
def test_an_input_of_each_type(schemas, written, described, required):
    found = schemas(f"some_value: {written}) -> str")
    assert found["Input"]["properties"]["some_value"] == {
        **described,
        "title": "Some Value",
        "x-order": 0,
    }
    assert ("some_value" in found["Input"].get("required", [])) is required


CHOICES = [
    ("str = Input(choices=['a', 'b'])", "string", ["a", "b"], {}),
    ("int = Input(choices=[1, 2])", "integer", [1, 2], {}),
    ("float = Input(choices=[0.5, 1])", "number", [0.5, 1], {}),
    ("str = Input(choices=list(SIZES.keys()))", "string", ["small", "large"], {}),
    ("str = Input(choices=MORE + ['b'])", "string", ["a", "b"], {}),
    ("str = Input(choices=[each.upper() for each in 'ab'])", "string", ["A", "B"], {}),
    ("int = Input(default=256, choices=[*SIZES.values()])", "integer", [256, 1024], 256),
    # wiser than Cog
    ("Literal['a', 'b']", "string", ["a", "b"], {}),
    ("Literal[1, 2] = 2", "integer", [1, 2], 2),
    ("Mood", "string", ["calm", "lively"], {}),
    ("Mood = Mood.LIVELY", "string", ["calm", "lively"], "lively"),
    ("Optional[Mood] = None", "string", ["calm", "lively"], None),
]


@pytest.mark.parametrize(("written", "kind", "values", "default"), CHOICES)
def test_choices_are_a_component_without_a_title_beside_the_reference(
    schemas, written, kind, values, default
):
    found = schemas(f"size: {written}) -> str")
    described = {"allOf": [{"$ref": "#/components/schemas/size"}], "x-order": 0}
    if default != {}:
        described |= {"default": default}
    if default is None:
        described |= NULL
    assert found["Input"]["properties"]["size"] == described
    assert found["size"] == {
        "title": "size",
        "description": "An enumeration.",
        "type": kind,
        "enum": values,
    }
    assert found["Input"].get("required", []) == (["size"] if default == {} else [])


REFUSED_INPUTS = [
    "list[list[str]]", "list[Optional[str]]", "list[str | int]", "set", "set[str]",
    "tuple[int, int]", "bytes", "datetime.datetime", "Boxes", "Checked", "Path | str",
    "Union[Secret, int]", "File | int",
]  # fmt: skip


@pytest.mark.parametrize("written", REFUSED_INPUTS)
def test_what_is_no_input_is_refused(schemas, written):
    with pytest.raises(SignatureError, match="'some_value'"):
        schemas(f"some_value: {written}) -> str")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("*texts: str) -> str", "'texts' is "),
        ("**texts: str) -> str", "'texts' is "),
        ("*, text: str) -> str", "'text' is "),
        ("text) -> str", "'text' has no type"),
        ("text: str)", "does not say what it returns"),
        ("text: str) -> None", "does not say what it returns"),
        ("text: str = Input(accept='image/*')) -> str", "accept="),
    ],
)
def test_a_signature_that_says_too_little_is_refused(schemas, written, said):
    with pytest.raises(SignatureError, match=said):
        schemas(written)


BOXES = {
    **OBJECT,
    "properties": {
        "label": {**STRING, "title": "Label"},
        "score": {**NUMBER, **NULL, "title": "Score"},
        "crop": {**FILE, "title": "Crop"},
        "rest": {**INTEGER, "title": "Rest"},
    },
    "required": ["label", "crop"],
}
ITERATOR = {"x-cog-array-type": "iterator"}
CONCATENATED = {**array(STRING), **ITERATOR, "x-cog-array-display": "concatenate"}
OUTPUTS = [
    ("str", STRING),
    ("int", INTEGER),
    ("float", NUMBER),
    ("bool", BOOLEAN),
    ("Path", FILE),
    ("File", FILE),
    ("pathlib.Path", FILE),
    ("Secret", SECRET),
    ("Any", OBJECT),
    ("dict", OBJECT),
    ("dict[str, int]", {**OBJECT, "additionalProperties": INTEGER}),
    (
        "dict[str, dict[str, Path]]",
        {**OBJECT, "additionalProperties": {**OBJECT, "additionalProperties": FILE}},
    ),
    ("list", array(OBJECT)),
    ("list[str]", array(STRING)),
    ("List[Path]", array(FILE)),
    ("Boxes", BOXES),
    (
        "Page",
        {
            **OBJECT,
            "properties": {
                "best": {**BOXES, "title": "Best"},
                "all": {**array(BOXES), "title": "All"},
            },
            "required": ["best", "all"],
        },
    ),
    (
        "Checked",
        {
            **OBJECT,
            "properties": {
                "text": {**STRING, "title": "Text"},
                "score": {**NUMBER, **NULL, "title": "Score"},
            },
            "required": ["text"],
        },
    ),
    ("Point", {**OBJECT, "properties": {"x": {**INTEGER, "title": "X"}}, "required": ["x"]}),
    ("Iterator[str]", {**array(STRING), **ITERATOR}),
    ("typing.Iterator[Path]", {**array(FILE), **ITERATOR}),
    ("AsyncIterator[int]", {**array(INTEGER), **ITERATOR}),
    ("ConcatenateIterator[str]", CONCATENATED),
    ("AsyncConcatenateIterator[str]", CONCATENATED),
    ("list[Boxes]", array(BOXES)),
    ("Iterator[Boxes]", {**array(BOXES), **ITERATOR}),
    ("Annotated[Boxes, Opaque]", OBJECT),
]


@pytest.mark.parametrize(("written", "described"), OUTPUTS, ids=lambda value: str(value)[:50])
def test_an_output_of_each_type(schemas, written, described):
    assert schemas(f"text: str) -> {written}")["Output"] == {**described, "title": "Output"}


OURS = [
    ("Optional[Path]", {**FILE, **NULL}),
    ("str | int | None", {"anyOf": [STRING, INTEGER], **NULL}),
    ("Union[str, List[Boxes]]", {"anyOf": [STRING, array(BOXES)]}),
    ("tuple[int, int]", array(INTEGER)),
    ("set[str]", array(STRING)),
    ("Generator[str, None, None]", {**array(STRING), **ITERATOR}),
    ("Iterator", {**array(OBJECT), **ITERATOR}),
    ("ConcatenateIterator", CONCATENATED),
    (
        "Plain",
        {**OBJECT, "properties": {"text": {**STRING, "title": "Text"}}, "required": ["text"]},
    ),
]


@pytest.mark.parametrize(("written", "described"), OURS)
def test_an_output_that_cog_refuses_by_now_is_taken(schemas, written, described):
    assert schemas(f"text: str) -> {written}")["Output"] == {**described, "title": "Output"}


REFUSED_OUTPUTS = [
    "bytes", "Mood", "Literal['a']", "ConcatenateIterator[int]", "list[Iterator[str]]",
]  # fmt: skip


@pytest.mark.parametrize("written", REFUSED_OUTPUTS)
def test_what_is_no_output_is_refused(schemas, written):
    with pytest.raises(SignatureError, match="returns"):
        schemas(f"text: str) -> {written}")
