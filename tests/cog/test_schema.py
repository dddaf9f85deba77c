"""A signature → Replicate's OpenAPI dialect: each row of Cog's type tables, and what is refused."""

# ruff: noqa: UP006, UP007, UP035, UP045 (models out there write types in the old way too)

# No `from __future__ import annotations` here: both spellings of annotations are tested.
import datetime
import enum
import os
import pathlib
import typing
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Dict, List, Literal, Optional, TypedDict, Union

import pydantic
import pydantic.v1
import pytest

import cog
from cog import (
    AsyncConcatenateIterator,
    BaseModel,
    ConcatenateIterator,
    File,
    Input,
    Opaque,
    Path,
    Secret,
)
from cog.schema import document
from cog.signature import SignatureError

FILE = {"type": "string", "format": "uri"}
SECRET = {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True}
OBJECT = {"type": "object"}


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


class Nested(BaseModel):
    best: Boxes
    all: list[Boxes]


class FirstGeneration(pydantic.v1.BaseModel):
    text: str
    score: float | None


class Checked(pydantic.BaseModel):
    text: str
    score: Optional[float] = None


def schemas(function):
    return document(function)["components"]["schemas"]


def taking(annotation, *default):
    """The property of an input `some_value` of that type, its component, and whether it is
    required.
    """

    def predict(some_value=None) -> str: ...

    predict.__annotations__["some_value"] = annotation
    predict.__defaults__ = default or None
    found = schemas(predict)
    required = "some_value" in found["Input"].get("required", [])
    return found["Input"]["properties"]["some_value"], found.get("some_value"), required


def giving(annotation):
    """The Output schema of a runner that returns that type."""

    def predict(text: str): ...

    predict.__annotations__["return"] = annotation
    return schemas(predict)["Output"]


# --- inputs


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
        (os.PathLike, FILE),
        (Secret, SECRET),
        (dict, OBJECT),
        (dict[str, int], OBJECT),
        (Dict, OBJECT),
        (Point, OBJECT),
        (Any, OBJECT),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (List[int], {"type": "array", "items": {"type": "integer"}}),
        (list[dict], {"type": "array", "items": OBJECT}),
        (list[Path], {"type": "array", "items": FILE}),
        (list[Secret], {"type": "array", "items": SECRET}),
        (list, {"type": "array", "items": {}}),
        (List, {"type": "array", "items": {}}),
        (Union[str, float], {"anyOf": [{"type": "string"}, {"type": "number"}]}),
        (
            str | list[int],
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]},
        ),
        (Annotated[int, "a note"], {"type": "integer"}),
        (Annotated[Point, Opaque], OBJECT),
        (Annotated[list[Point], Opaque], {"type": "array", "items": OBJECT}),
    ],
)
def test_a_required_input_of_each_type(annotation, described):
    assert taking(annotation) == ({**described, "title": "Some Value", "x-order": 0}, None, True)


@pytest.mark.parametrize(
    ("annotation", "described"),
    [
        (Optional[str], {"type": "string"}),
        (int | None, {"type": "integer"}),
        (Optional[Path], FILE),
        (Optional[Secret], SECRET),
        (Optional[list[str]], {"type": "array", "items": {"type": "string"}}),
        (Annotated[Optional[int], "a note"], {"type": "integer"}),
        (Optional[Annotated[int, "a note"]], {"type": "integer"}),
    ],
)
def test_an_optional_input_is_nullable_and_never_required(annotation, described):
    found, _, required = taking(annotation)
    assert found == {**described, "title": "Some Value", "nullable": True, "x-order": 0}
    assert not required


@pytest.mark.parametrize(
    ("default", "required"), [((), True), ((None,), False), ((Input(default=None),), False)]
)
def test_a_union_with_none_is_required_unless_a_default_is_given(default, required):
    found, _, is_required = taking(str | float | None, *default)
    assert found["anyOf"] == [
        {"type": "string", "nullable": True},
        {"type": "number", "nullable": True},
    ]
    assert found["nullable"] is True
    assert is_required is required


@pytest.mark.parametrize(
    ("annotation", "default", "effective"),
    [
        (int, 3, 3),
        (int, Input(3), 3),
        (int, Input(default=2**31 - 1), 2147483647),
        (str, Input(default="".join(["a", "b"])), "ab"),
        (float, Input(default=0), 0),
        (bool, Input(default=False), False),
        (str, "", ""),
        (list[str], Input(default=["a"]), ["a"]),
        (list[int], (1, 2), [1, 2]),
        (dict, {"a": 1}, {"a": 1}),
        (Path, "https://example.com/cat.png", "https://example.com/cat.png"),
        (Mood, Mood.LIVELY, "lively"),
        (list[Mood], [Mood.LIVELY], ["lively"]),
        (list[Literal["a", "b"]], ["b"], ["b"]),
        (Optional[str], "x", "x"),
    ],
)
def test_a_default_is_shown_and_frees_the_input(annotation, default, effective):
    found, _, required = taking(annotation, default)
    assert found["default"] == effective
    assert type(found["default"]) is type(effective)
    assert not required


@pytest.mark.parametrize("annotation", [int, str, Path, Secret, dict, list[str]])
def test_a_default_of_none_makes_a_plain_type_optional(annotation):
    found, _, required = taking(annotation, Input(default=None))
    assert found["default"] is None
    assert found["nullable"] is True
    assert not required


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (Secret, Secret("hidden")),
        (Secret, Input(default="hidden")),
        (float, float("nan")),
        (float, float("inf")),
        (list[float], [float("inf")]),
        (dict, {"when": datetime.date(2026, 1, 1)}),
    ],
)
def test_a_default_that_json_cannot_or_must_not_show_is_the_runners_own(annotation, default):
    found, _, required = taking(annotation, default)
    assert "default" not in found
    assert not required


def test_constraints_keep_replicates_names():
    assert taking(int, Input(ge=1, le=9))[0] == {
        "type": "integer", "title": "Some Value", "minimum": 1, "maximum": 9, "x-order": 0,
    }  # fmt: skip
    assert taking(str, Input(min_length=1, max_length=9, regex="^a"))[0] == {
        "type": "string", "title": "Some Value", "minLength": 1, "maxLength": 9, "pattern": "^a",
        "x-order": 0,
    }  # fmt: skip


def test_a_bound_of_zero_is_a_bound():
    assert taking(float, Input(ge=0.0, le=0))[0].items() >= {"minimum": 0.0, "maximum": 0}.items()


@pytest.mark.parametrize("annotation", [Path, File, Optional[Path], list[Path]])
def test_a_file_may_say_what_it_accepts(annotation):
    assert taking(annotation, Input(accept="image/*"))[0]["x-cog-accept"] == "image/*"


def test_description_and_deprecation_are_shown():
    found, _, _ = taking(str, Input(description="Words", deprecated=True))
    assert found["description"] == "Words"
    assert found["deprecated"] is True


@pytest.mark.parametrize(
    ("annotation", "default", "kind", "values"),
    [
        (str, Input(choices=["a", "b"]), "string", ["a", "b"]),
        (int, Input(choices=[1, 2]), "integer", [1, 2]),
        (float, Input(choices=[0.5, 1]), "number", [0.5, 1]),
        (str, Input(choices=tuple(c for c in "xyz")), "string", ["x", "y", "z"]),
        (Literal["a", "b"], Input(), "string", ["a", "b"]),
        (Literal[1, 2], Input(), "integer", [1, 2]),
        (Mood, Input(), "string", ["calm", "lively"]),
    ],
)
def test_choices_are_a_component_of_their_own(annotation, default, kind, values):
    found, component, required = taking(annotation, default)
    assert found == {"allOf": [{"$ref": "#/components/schemas/some_value"}], "x-order": 0}
    assert component == {
        "title": "some_value",
        "description": "An enumeration.",
        "type": kind,
        "enum": values,
    }
    assert required


def test_optional_choices_are_nullable_beside_the_reference():
    found, _, required = taking(Optional[Literal["a", "b"]], None)
    assert found == {
        "allOf": [{"$ref": "#/components/schemas/some_value"}],
        "default": None,
        "nullable": True,
        "x-order": 0,
    }
    assert not required


@pytest.mark.parametrize(
    ("annotation", "default", "items"),
    [
        (list[str], Input(choices=["a", "b"]), {"type": "string", "enum": ["a", "b"]}),
        (list[Literal["a", "b"]], Input(), {"type": "string", "enum": ["a", "b"]}),
        (list[Literal[1, 2]], Input(), {"type": "integer", "enum": [1, 2]}),
        (list[Mood], Input(), {"type": "string", "enum": ["calm", "lively"]}),
    ],
)
def test_choices_of_a_list_belong_to_its_items(annotation, default, items):
    found, component, _ = taking(annotation, default)
    assert (found["type"], found["items"]) == ("array", items)
    assert component is None


def test_inputs_are_numbered_in_the_order_of_the_signature():
    def predict(self, zebra: str, apple: int = 1, middle_one: bool = True) -> str: ...

    found = schemas(predict)["Input"]
    assert [(name, each["x-order"]) for name, each in found["properties"].items()] == [
        ("zebra", 0),
        ("apple", 1),
        ("middle_one", 2),
    ]
    assert found["properties"]["middle_one"]["title"] == "Middle One"
    assert found["required"] == ["zebra"]
    assert (found["title"], found["type"]) == ("Input", "object")


def test_nothing_required_leaves_the_list_out():
    def predict(text: str = "") -> str: ...

    assert "required" not in schemas(predict)["Input"]


def test_annotations_written_as_text_are_read(tmp_path, monkeypatch):
    source = (
        "from __future__ import annotations\n"
        "from typing import Optional\n"
        "from cog import ConcatenateIterator, Input, Path\n"
        "def predict(image: Optional[Path] = None, n: int | None = Input(None)"
        ") -> ConcatenateIterator[str]: ...\n"
    )
    written = {}
    exec(source, written)
    found = schemas(written["predict"])
    assert found["Input"]["properties"]["image"]["format"] == "uri"
    assert found["Input"]["properties"]["n"]["type"] == "integer"
    assert found["Output"]["x-cog-array-display"] == "concatenate"


@pytest.mark.parametrize(
    "annotation",
    [
        list[list[str]], list[Optional[str]], list[str | int], set[str], set, tuple[int, int],
        bytes, datetime.datetime, Boxes, Checked, Path | str, Union[Secret, int], None, object,
    ],
)  # fmt: skip
def test_a_type_that_is_no_input_is_refused_by_name(annotation):
    with pytest.raises(SignatureError, match="'some_value'.*allowed are str, int"):
        taking(annotation)


@pytest.mark.parametrize(
    ("annotation", "default", "said"),
    [
        (str, Input(accept="image/*"), "'some_value' has accept="),
        (str, Input(regex="("), "'some_value' has the regex"),
        (str, Input(choices=[]), "choices of 'some_value'"),
        (str, Input(choices=["a", None]), "choices of 'some_value'"),
        (Literal[True], Input(), "choices of 'some_value'"),
    ],
)
def test_an_input_that_makes_no_sense_is_refused(annotation, default, said):
    with pytest.raises(SignatureError, match=said):
        taking(annotation, default)


def test_parameters_that_have_no_name_of_their_own_are_refused():
    def many(*texts: str) -> str: ...

    def others(**texts: str) -> str: ...

    def keyword(*, text: str) -> str: ...

    def untyped(text) -> str: ...

    for function, name in ((many, "texts"), (others, "texts"), (keyword, "text")):
        with pytest.raises(SignatureError, match=f"'{name}' is .*plain named parameters"):
            document(function)
    with pytest.raises(SignatureError, match="'text' has no type"):
        document(untyped)


def test_a_type_that_does_not_exist_is_named():
    def predict(text: "Nowhere") -> str: ...  # noqa: F821

    with pytest.raises(SignatureError, match="Nowhere"):
        document(predict)


# --- outputs


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
        Optional[str], str | int, tuple[int, int], set[str], bytes, Mood, Literal["a"],
        typing.Generator[str, None, None], ConcatenateIterator, ConcatenateIterator[int],
        Iterator, typing.Iterator, list[Iterator[str]], datetime.datetime,
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


# --- the document


def test_the_document_has_what_clients_look_for():
    def predict(size: str = Input(choices=["s", "l"])) -> str: ...

    found = document(predict)
    assert found["openapi"] == "3.0.2"
    assert set(found["components"]["schemas"]) == {
        "Input", "Output", "size", "Status", "PredictionRequest", "PredictionResponse",
        "HTTPValidationError", "ValidationError",
    }  # fmt: skip
    assert found["components"]["schemas"]["Status"]["enum"] == [
        "starting",
        "processing",
        "succeeded",
        "canceled",
        "failed",
    ]


def test_every_reference_of_the_document_leads_somewhere():
    def predict(size: str = Input(choices=["s", "l"])) -> Nested: ...

    def train(size: int = Input(choices=[1, 2])) -> Path: ...

    found = document(predict, train)

    def references(part):
        if isinstance(part, dict):
            if "$ref" in part:
                yield part["$ref"]
            for inner in part.values():
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    for reference in references(found):
        prefix, _, name = reference.rpartition("/")
        assert prefix == "#/components/schemas"
        assert name in found["components"]["schemas"]


def test_streaming_is_marked_on_the_operation():
    @cog.streaming
    def predict(text: str) -> Iterator[str]: ...

    assert document(predict)["paths"]["/predictions"]["post"]["x-cog-streaming"] is True


def test_training_has_inputs_and_outputs_of_its_own():
    def predict(size: str = Input(choices=["s", "l"])) -> str: ...

    def train(data: Path, size: int = Input(choices=[1, 2])) -> Path: ...

    found = document(predict, train)
    parts = found["components"]["schemas"]
    assert parts["TrainingInput"]["required"] == ["data", "size"]
    assert parts["TrainingOutput"] == {**FILE, "title": "TrainingOutput"}
    assert "/trainings" in found["paths"]
    assert {"TrainingRequest", "TrainingResponse"} <= set(parts)
    assert parts["size"]["enum"] == ["s", "l"]
    (reference,) = parts["TrainingInput"]["properties"]["size"]["allOf"]
    assert parts[reference["$ref"].rpartition("/")[2]]["enum"] == [1, 2]
