"""Inputs in Replicate's OpenAPI dialect: each row of Cog's type table, and what is refused."""

# ruff: noqa: UP006, UP007, UP035, UP045 (models out there write types in the old way too)

# No `from __future__ import annotations` here: both spellings of annotations are tested.
import datetime
import os
import pathlib
from typing import Annotated, Any, Dict, List, Literal, Optional, Union

import pytest

from cog import File, Input, Opaque, Path, Secret
from cog.schema import document
from cog.signature import SignatureError
from tests.cog.annotated import FILE, OBJECT, SECRET, Boxes, Checked, Mood, Point, schemas


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
