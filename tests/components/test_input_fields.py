"""Schemas → fields: every shape of the dialect, and the odd ones of other people's models."""

from __future__ import annotations

import pytest

from components.input_fields import MISSING, InputKind, fields, resolve


def document(properties, required=(), **components):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"components": {"schemas": {"Input": schema, **components}}}


def only(schema, name="value", required=(), **components):
    (field,) = fields(document({name: schema}, required, **components))
    return field


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, InputKind.PROMPT),
        ({"type": "string", "maxLength": 60}, InputKind.LINE),
        ({"type": "string", "maxLength": 500}, InputKind.PROMPT),
        ({"type": "string", "format": "password"}, InputKind.SECRET),
        ({"type": "string", "x-cog-secret": True}, InputKind.SECRET),
        ({"type": "integer", "default": 3}, InputKind.NUMBER),
        ({"type": "integer", "default": 3, "minimum": 1}, InputKind.NUMBER),
        ({"type": "number", "default": 3, "minimum": 1, "maximum": 5}, InputKind.SLIDER),
        ({"type": "integer", "minimum": 1, "maximum": 5, "nullable": True}, InputKind.NUMBER),
        ({"type": "integer", "default": 0, "minimum": 0, "maximum": 2**32}, InputKind.NUMBER),
        ({"type": "number", "default": 1, "minimum": 1, "maximum": 1}, InputKind.NUMBER),
        ({"type": "boolean", "default": False}, InputKind.TOGGLE),
        ({"type": "boolean", "nullable": True, "default": None}, InputKind.OPTIONAL_TOGGLE),
        ({"type": "string", "enum": ["a", "b"]}, InputKind.CHOICE),
        ({"type": "integer", "enum": [1, 2]}, InputKind.CHOICE),
        ({"type": "array", "items": {"type": "string", "enum": ["a"]}}, InputKind.CHOICES),
        ({"type": "string", "format": "uri"}, InputKind.FILE),
        ({"type": "string", "format": "uri", "x-cog-accept": "image/*"}, InputKind.IMAGE),
        ({"type": "string", "format": "uri", "x-cog-accept": "audio/*"}, InputKind.AUDIO),
        ({"type": "string", "format": "uri", "x-cog-accept": ".srt,.vtt"}, InputKind.FILE),
        ({"type": "string", "format": "uri", "description": "A video."}, InputKind.VIDEO),
        ({"type": "string", "format": "uri", "description": "Zip of images"}, InputKind.FILE),
        ({"type": "array", "items": {"type": "string", "format": "uri"}}, InputKind.FILES),
        ({"type": "array", "items": {"type": "string"}}, InputKind.LINES),
        ({"type": "array", "items": {"type": "integer"}}, InputKind.NUMBERS),
        ({"type": "array", "items": {"type": "object"}}, InputKind.JSON),
        ({"type": "array"}, InputKind.JSON),
        ({"type": "object"}, InputKind.JSON),
        ({"anyOf": [{"type": "string"}, {"type": "number"}]}, InputKind.ANY),
    ],
)
def test_each_schema_has_its_kind(schema, kind):
    assert only(schema).kind is kind


def test_a_file_is_what_its_name_says():
    schema = {"type": "string", "format": "uri"}
    names = ("mask", "input_image", "speaker_wav", "clip", "lora_weights", "data")
    kinds = [only(schema, name).kind for name in names]
    assert kinds == [
        InputKind.IMAGE, InputKind.IMAGE, InputKind.AUDIO, InputKind.VIDEO, InputKind.FILE,
        InputKind.FILE,
    ]  # fmt: skip


def test_choices_are_found_behind_references():
    schema = {"allOf": [{"$ref": "#/components/schemas/size"}], "default": "s", "description": "S."}
    field = only(schema, size={"type": "string", "enum": ["s", "l"], "description": "An enum."})
    assert (field.kind, field.choices, field.default) == (InputKind.CHOICE, ("s", "l"), "s")
    assert field.description == "S."


def test_fields_come_in_x_order_and_those_without_last():
    given = {
        "c": {"type": "string"},
        "b": {"type": "string", "x-order": 1},
        "a": {"type": "string", "x-order": 0},
    }
    assert [field.name for field in fields(document(given))] == ["a", "b", "c"]


def test_a_null_default_is_no_default():
    field = only({"type": "integer", "default": None, "nullable": True})
    assert field.default is MISSING
    assert field.may_be_unset


def test_required_and_deprecated_are_kept():
    field = only({"type": "string", "deprecated": True}, "prompt", ["prompt"])
    assert (field.label, field.deprecated, field.may_be_unset) == ("prompt *", True, False)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        None,
        "nonsense",
        {"type": "tuple"},
        {"type": ["string", "null"]},
        {"$ref": "#/components/schemas/nowhere"},
        {"$ref": "#/components/schemas/Input/properties/value"},
        {"allOf": [{"type": "string"}, {"minLength": 1}]},
        {"type": "integer", "minimum": "low", "maximum": True},
        {"type": "array", "items": "strings"},
        {"type": "string", "format": "uri", "x-cog-accept": 7},
        {"type": "string", "enum": "abc"},
        {"type": "string", "x-order": "first"},
    ],
)
def test_odd_schemas_still_give_a_field(schema):
    assert only(schema).name == "value"


@pytest.mark.parametrize("schemas", [{}, {"Input": {}}, {"Input": {"properties": None}}])
def test_a_document_without_inputs_has_no_fields(schemas):
    assert fields({"components": {"schemas": schemas}}) == ()


def test_a_reference_to_itself_ends():
    schemas = {"loop": {"allOf": [{"$ref": "#/components/schemas/loop"}]}}
    assert (
        resolve({"$ref": "#/components/schemas/loop"}, {"components": {"schemas": schemas}}) == {}
    )
