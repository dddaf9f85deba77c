"""Inputs against a schema: what passes, what is filled in, and every problem at once."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cog import Input, Path, Secret
from cog.schema import document
from errors import InvalidInput
from model_registry import inputs

FILE = {"atelier:file": "abcdefgh"}


def of(*properties, required=(), **schemas):
    """A document with these `(name, schema)` inputs."""
    described = {"type": "object", "properties": dict(properties), "required": list(required)}
    return {"components": {"schemas": {"Input": described, "Output": {}, **schemas}}}


def one(described, required=False, **schemas):
    return of(("x", described), required=["x"] if required else [], **schemas)


def problems(schema, given):
    with pytest.raises(InvalidInput) as raised:
        inputs.check(schema, given)
    return [(problem.field, problem.kind) for problem in raised.value.problems]


def message(schema, given):
    with pytest.raises(InvalidInput) as raised:
        inputs.check(schema, given)
    return raised.value.problems[0].message


STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
BOOLEAN, OBJECT, URI = {"type": "boolean"}, {"type": "object"}, {**STRING, "format": "uri"}


def a_list(items):
    return {"type": "array", "items": items}


@pytest.mark.parametrize(
    ("described", "value"),
    [
        (STRING, "text"),
        (STRING, ""),
        (STRING, "https://example.com"),
        (STRING, "日本語 🙂"),
        (INTEGER, 3),
        (INTEGER, -(2**63)),
        (NUMBER, 3),
        (NUMBER, 0.5),
        (BOOLEAN, True),
        (OBJECT, {"a": [1, {"b": None}]}),
        (a_list(STRING), []),
        (a_list(STRING), ["a", "b"]),
        (a_list({}), ["a", 1, None]),
        (URI, "https://example.com/cat.png"),
        (URI, "HTTP://EXAMPLE.COM/cat.png"),
        (URI, "data:text/plain,hello"),
        (URI, FILE),
        (a_list(URI), [FILE, "data:,x"]),
        ({**STRING, "format": "password"}, "hidden"),
        ({"anyOf": [STRING, NUMBER]}, 3),
        ({"anyOf": [STRING, a_list(STRING)]}, ["a"]),
        ({**INTEGER, "minimum": 1, "maximum": 9}, 9),
        ({**STRING, "enum": ["a", "b"]}, "b"),
        ({**STRING, "pattern": "^a+$"}, "aa"),
    ],
)
def test_what_fits_passes_unchanged(described, value):
    assert inputs.check(one(described), {"x": value}) == {"x": value}


@pytest.mark.parametrize(
    ("described", "value", "field", "kind"),
    [
        (STRING, 3, "x", "invalid_type"),
        (STRING, FILE, "x", "invalid_type"),
        (INTEGER, "3", "x", "invalid_type"),
        (INTEGER, 3.5, "x", "invalid_type"),
        (INTEGER, True, "x", "invalid_type"),
        (NUMBER, "0.5", "x", "invalid_type"),
        (NUMBER, False, "x", "invalid_type"),
        (BOOLEAN, 1, "x", "invalid_type"),
        (BOOLEAN, "true", "x", "invalid_type"),
        (OBJECT, "{}", "x", "invalid_type"),
        (OBJECT, [], "x", "invalid_type"),
        (a_list(STRING), "a", "x", "invalid_type"),
        (a_list(STRING), ["a", 2], "x.1", "invalid_type"),
        (a_list(URI), "https://example.com", "x", "invalid_type"),
        (URI, 3, "x", "invalid_type"),
        (URI, {"path": "/etc/passwd"}, "x", "invalid_type"),
        ({"anyOf": [STRING, NUMBER]}, [], "x", "invalid_type"),
        ({**INTEGER, "minimum": 1}, 0, "x", "number_gte"),
        ({**NUMBER, "maximum": 1.0}, 1.5, "x", "number_lte"),
        ({**STRING, "minLength": 1}, "", "x", "string_gte"),
        ({**STRING, "maxLength": 2}, "abc", "x", "string_lte"),
        ({**STRING, "pattern": "^a$"}, "b", "x", "pattern"),
        ({**STRING, "enum": ["a", "b"]}, "c", "x", "enum"),
        (a_list({**STRING, "enum": ["a"]}), ["a", "b"], "x.1", "enum"),
    ],
)
def test_what_does_not_fit_is_named_as_replicate_names_it(described, value, field, kind):
    assert problems(one(described), {"x": value}) == [(field, kind)]


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        2**70,
        "half \ud83d a character",
        {"deep": [2**70]},
        {"\udfff": 1},
        [[math.nan]],
    ],
)
def test_what_json_readers_let_pass_but_nobody_can_store_is_refused(value):
    assert problems(one({}), {"x": value}) == [("x", "invalid_type")]


@pytest.mark.parametrize(("described", "value"), [(INTEGER, 1e20), (a_list(INTEGER), [1, -1e300])])
def test_a_whole_number_is_as_large_as_it_may_be_however_it_is_written(described, value):
    assert problems(one(described), {"x": value}) == [("x", "invalid_type")]


def nested(levels):
    return [nested(levels - 1)] if levels else []


def test_what_is_nested_without_end_is_refused():
    assert inputs.check(one({}), {"x": nested(inputs.MAX_LEVELS)})
    assert problems(one({}), {"x": nested(inputs.MAX_LEVELS + 1)}) == [("x", "invalid_type")]


@pytest.mark.parametrize("value", [FILE, {"atelier:file": 5}, {"a": [FILE]}])
def test_only_a_file_input_may_hold_what_stands_for_a_file(value):
    assert problems(one(OBJECT), {"x": value}) == [("x", "invalid_type")]


@pytest.mark.parametrize(
    "path", ["/etc/hostname", "cat.png", "file:///etc/hostname", "C:\\cat.png", "~/cat.png", ""]
)
def test_a_path_is_never_a_file_input(path):
    assert problems(one(URI), {"x": path}) == [("x", "invalid_file")]
    assert problems(one(a_list(URI)), {"x": [FILE, path]}) == [("x.1", "invalid_file")]
    assert "Paths are not accepted" in message(one(URI), {"x": path})


def test_whole_numbers_may_be_written_as_floats():
    checked = inputs.check(
        of(("n", INTEGER), ("many", a_list(INTEGER))), {"n": 3.0, "many": [1.0, 2]}
    )
    assert checked == {"n": 3, "many": [1, 2]}
    assert [type(each) for each in (checked["n"], *checked["many"])] == [int, int, int]


def test_all_problems_are_told_at_once():
    schema = of(
        ("prompt", STRING),
        ("steps", {**INTEGER, "maximum": 50}),
        ("image", URI),
        required=["prompt", "image"],
    )
    assert problems(schema, {"steps": 80, "imag": "data:,x", "seed": 3}) == [
        ("steps", "number_lte"),
        ("imag", "additional_property_not_allowed"),
        ("seed", "additional_property_not_allowed"),
        ("prompt", "required"),
        ("image", "required"),
    ]


def test_messages_say_what_is_allowed():
    schema = of(("guidance_scale", {**NUMBER, "maximum": 20.0}), ("seed", {"maximum": 2**31 - 1}))
    assert message(schema, {"guidance_scal": 3}) == (
        "There is no input 'guidance_scal'. Did you mean 'guidance_scale'? "
        "The inputs are: guidance_scale, seed."
    )
    assert message(schema, {"guidance_scale": 30}) == "Must be less than or equal to 20."
    assert message(schema, {"seed": 2**31}) == "Must be less than or equal to 2147483647."
    assert message(one(INTEGER), {"x": "a" * 100}).startswith("Must be a whole number, not 'aaa")
    assert len(message(one(INTEGER), {"x": "a" * 100})) < 100
    assert message(one({"anyOf": [STRING, NUMBER]}), {"x": []}) == (
        "Must be a text or a number, not []."
    )
    assert message(one({"enum": ["a", 1]}), {"x": "c"}) == "Must be one of: 'a', 1."


def test_defaults_are_filled_in_but_null_is_no_default():
    schema = of(
        ("a", {**STRING, "default": "x"}), ("b", {**STRING, "default": None}), ("c", STRING)
    )
    assert inputs.check(schema, {}) == {"a": "x"}
    assert inputs.check(schema, {"a": "y"}) == {"a": "y"}


def test_a_file_of_the_models_own_is_left_to_the_model():
    schema = of(
        ("own", {**URI, "default": "example.png"}),
        ("remote", {**URI, "default": "https://example.com/cat.png"}),
    )
    assert inputs.check(schema, {}) == {"remote": "https://example.com/cat.png"}


def test_null_is_refused_where_a_value_is_required():
    assert problems(one(STRING, required=True), {"x": None}) == [("x", "invalid_type")]


def test_null_stands_for_nothing_given_where_nothing_is_required():
    assert inputs.check(one({**INTEGER, "default": 3}), {"x": None}) == {"x": 3}
    assert inputs.check(one(INTEGER), {"x": None}) == {}


def test_null_is_a_value_where_the_schema_says_so():
    nullable = {**INTEGER, "nullable": True}
    assert inputs.check(one(nullable), {"x": None}) == {"x": None}
    assert inputs.check(one(nullable, required=True), {"x": None}) == {"x": None}


def test_choices_behind_references_count():
    schema = one(
        {"allOf": [{"$ref": "#/components/schemas/x"}], "default": "a"},
        x={"type": "string", "enum": ["a", "b"]},
    )
    assert inputs.check(schema, {}) == {"x": "a"}
    assert inputs.check(schema, {"x": "b"}) == {"x": "b"}
    assert problems(schema, {"x": "c"}) == [("x", "enum")]


def test_documents_of_older_cogs_are_read():
    schema = {
        "components": {
            "schemas": {
                "Input": {"$ref": "#/components/schemas/Inputs"},
                "Inputs": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"$ref": "#/components/schemas/Picture"},
                        "seed": {"type": "integer", "title": "Seed"},
                        "scale": {"type": "number", "maximum": 20.0, "default": 7.5},
                        "sizes": {
                            "type": "array",
                            "items": {"allOf": [{"$ref": "#/components/schemas/Size"}]},
                        },
                    },
                },
                "Picture": {"type": "string", "format": "uri"},
                "Size": {"type": "string", "enum": ["s", "l"]},
            }
        }
    }
    given = {"image": "data:,x", "sizes": ["s"]}
    assert inputs.check(schema, given) == {**given, "scale": 7.5}
    assert problems(schema, {"image": "cat.png", "sizes": ["m"], "scale": 21}) == [
        ("image", "invalid_file"),
        ("sizes.0", "enum"),
        ("scale", "number_lte"),
    ]


def test_files_are_found_and_replaced_wherever_they_are():
    schema = of(("text", STRING), ("image", URI), ("images", a_list(URI)), ("mask", URI))
    given = {"text": "data:,x", "image": FILE, "images": ["data:,a", "data:,b"], "mask": None}
    assert list(inputs.file_positions(schema, given)) == [
        ("image", FILE),
        ("images.0", "data:,a"),
        ("images.1", "data:,b"),
    ]
    assert inputs.map_files(schema, given, lambda field, value: field.upper()) == {
        "text": "data:,x",
        "image": "IMAGE",
        "images": ["IMAGES.0", "IMAGES.1"],
        "mask": None,
    }
    assert given["image"] is FILE


def test_secrets_are_known_by_name():
    def predict(a: str, token: Secret, tokens: list[Secret], key: Secret = Input(None)) -> str: ...

    assert inputs.secrets(document(predict)) == {"token", "tokens", "key"}


def test_two_documents_are_never_taken_for_each_other():
    for bound in range(200):
        schema = one({**INTEGER, "maximum": bound})
        assert problems(schema, {"x": bound + 1}) == [("x", "number_lte")]
        assert inputs.check(schema, {"x": bound}) == {"x": bound}


def anything_json():
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=5,
    )


def every_kind():
    def predict(
        text: str,
        n: int = Input(default=3, ge=1, le=9),
        size: str = Input(default="s", choices=["s", "l"]),
        image: Path = Input(default=None),
        images: list[Path] = Input(default=[]),
        options: dict = Input(default={}),
        either: str | float | None = None,
    ) -> str: ...

    return document(predict)


EVERY_KIND = every_kind()


@given(
    st.dictionaries(
        st.sampled_from(list(EVERY_KIND["components"]["schemas"]["Input"]["properties"]) + ["?"]),
        anything_json(),
    )
)
def test_whatever_comes_is_either_refused_with_reasons_or_can_be_sent(given):
    try:
        checked = inputs.check(EVERY_KIND, given)
    except InvalidInput as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)
    else:
        assert json.loads(json.dumps(checked, allow_nan=False)) == checked
        json.dumps(checked, ensure_ascii=False).encode()
        assert checked.keys() >= {"text", "n", "size", "images", "options"}
        # What has passed once passes again: nothing is checked against what it was turned into.
        assert inputs.check(EVERY_KIND, checked) == checked
