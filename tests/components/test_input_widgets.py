"""Every kind of input: schema → widget → value → input, and an input back into the widget."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from components import input_widgets
from components.input_fields import FILE_KINDS, MISSING, Field, InputKind, fields
from components.input_values import UNSET, Upload
from components.input_widgets import KINDS, read, shown, widget

PROMPT = {"type": "string"}
SLIDER = {"type": "integer", "minimum": 1, "maximum": 50, "default": 20}
OPTIONAL = {"nullable": True, "default": None}
CHOICE = {"type": "string", "enum": ["a", "b"]}
MANY = {"type": "integer", "enum": [1, 2, 3, 4, 5], "default": 3}
URI = {"type": "string", "format": "uri"}
STRINGS = {"type": "array", "items": {"type": "string"}}


def field_of(schema, required=False, name="value") -> Field:
    given = {"properties": {name: schema}, "required": [name] if required else []}
    (field,) = fields({"components": {"schemas": {"Input": given}}})
    return field


def test_every_kind_has_a_row():
    assert set(KINDS) == set(InputKind)
    assert {kind for kind in KINDS if kind in FILE_KINDS} <= {
        kind for kind, row in KINDS.items() if row.captioned
    }


@pytest.mark.parametrize(
    ("schema", "component"),
    [
        (PROMPT, gr.Textbox),
        ({**PROMPT, "maxLength": 20}, gr.Textbox),
        ({**PROMPT, "format": "password"}, gr.Textbox),
        ({"type": "integer", "default": 4}, gr.Textbox),
        (SLIDER, gr.Slider),
        ({"type": "boolean", "default": True}, gr.Checkbox),
        ({"type": "boolean", **OPTIONAL}, gr.Radio),
        (CHOICE, gr.Radio),
        (MANY, gr.Dropdown),
        ({"type": "array", "items": CHOICE}, gr.Dropdown),
        ({**URI, "x-cog-accept": "image/*"}, gr.Image),
        ({**URI, "x-cog-accept": "audio/*"}, gr.Audio),
        ({**URI, "x-cog-accept": "video/*"}, gr.Video),
        (URI, gr.File),
        ({"type": "array", "items": URI}, gr.File),
        (STRINGS, gr.Textbox),
        ({"type": "array", "items": {"type": "number"}}, gr.Textbox),
        ({"type": "object", "default": {"a": 1}}, gr.Code),
        ({"anyOf": [{"type": "string"}, {"type": "number"}]}, gr.Textbox),
    ],
)
def test_each_schema_is_drawn(schema, component):
    field = field_of(schema)
    drawn = widget(field, shown(field, {}))
    assert type(drawn) is component
    assert drawn.label == field.label


@pytest.mark.parametrize("schema", [SLIDER | {"default": None}, {"type": "boolean"}, CHOICE, URI])
def test_required_inputs_without_a_default_are_drawn_and_marked(schema):
    field = field_of(schema, required=True)
    assert widget(field, shown(field, {})).label == "value *"


# schema, an input, what the widget shows for it
BOTH_WAYS = [
    (PROMPT, "two\nlines", "two\nlines"),
    ({**PROMPT, "maxLength": 20}, "short", "short"),
    ({"type": "integer", "default": 4}, 7, "7"),
    ({"type": "integer", **OPTIONAL}, 2**63 + 1, str(2**63 + 1)),
    ({"type": "number", **OPTIONAL}, 0.1, "0.1"),
    ({"type": "number", **OPTIONAL}, -1e-9, "-1e-09"),
    (SLIDER, 33, 33),
    ({"type": "boolean", "default": True}, False, False),
    ({"type": "boolean", **OPTIONAL}, True, "yes"),
    ({"type": "boolean", **OPTIONAL}, False, "no"),
    (CHOICE, "b", "b"),
    (MANY, 5, 5),
    ({"type": "array", "items": {**CHOICE}}, ["b", "a"], ["b", "a"]),
    (STRINGS, ["one", "two words"], "one\ntwo words"),
    (STRINGS, ["with\nbreak", ""], '["with\\nbreak", ""]'),
    ({"type": "array", "items": {"type": "integer"}}, [1, 2], "1\n2"),
    ({"type": "array", "items": {"type": "number"}}, [0.5, 2], "0.5\n2"),
    ({"type": "object"}, {"a": [1]}, '{\n  "a": [\n    1\n  ]\n}'),
    ({"type": "array", "items": {"type": "object"}}, [{}], "[\n  {}\n]"),
    ({"anyOf": [{"type": "string"}, {"type": "number"}]}, "plain words", "plain words"),
    ({"anyOf": [{"type": "string"}, {"type": "number"}]}, "5", '"5"'),
    ({"anyOf": [{"type": "string"}, {"type": "number"}]}, 5, "5"),
]


@pytest.mark.parametrize(("schema", "value", "raw"), BOTH_WAYS)
def test_an_input_goes_into_its_widget_and_comes_back(schema, value, raw):
    field = field_of(schema)
    assert shown(field, {"value": value}) == raw
    assert read(field, raw) == value


@pytest.mark.parametrize(
    "schema",
    [
        {**PROMPT, **OPTIONAL},
        {**PROMPT, "format": "password", **OPTIONAL},
        {"type": "integer", **OPTIONAL},
        {"type": "number", "minimum": 0, "maximum": 1, **OPTIONAL},
        {"type": "boolean", **OPTIONAL},
        {**CHOICE, **OPTIONAL},
        {"type": "array", "items": CHOICE, **OPTIONAL},
        {**STRINGS, **OPTIONAL},
        {**URI, **OPTIONAL},
        {"type": "array", "items": URI, **OPTIONAL},
        {"type": "object", **OPTIONAL},
        {"anyOf": [{"type": "string"}, {"type": "number"}], **OPTIONAL},
    ],
)
def test_what_is_unset_is_left_out(schema):
    field = field_of(schema)
    drawn = widget(field, shown(field, {}))
    assert read(field, drawn.value) is MISSING


def test_a_secret_is_read_but_never_shown():
    field = field_of({**PROMPT, "format": "password"})
    assert read(field, "hush") == "hush"
    assert shown(field, {"value": "**********"}) is None


def test_an_emptied_required_text_is_left_out_so_that_the_validator_asks_for_it():
    assert read(field_of(PROMPT, required=True), "") is MISSING


def test_a_default_that_was_emptied_is_sent_empty():
    assert read(field_of({**PROMPT, "default": "blurry"}), "") == ""
    assert read(field_of({**STRINGS, "default": ["a"]}), "") == []


def test_defaults_fill_the_widgets():
    assert shown(field_of(SLIDER), {}) == 20
    assert shown(field_of({**STRINGS, "default": ["a", "b"]}), {}) == "a\nb"
    assert shown(field_of({**CHOICE, "default": "b"}), {}) == "b"


def test_a_choice_that_no_longer_exists_is_not_shown():
    assert shown(field_of(CHOICE, required=True), {"value": "z"}) is None
    assert shown(field_of({**CHOICE, **OPTIONAL}), {"value": "z"}) == UNSET


def test_what_cannot_be_read_is_handed_on_for_the_validator_to_name():
    assert read(field_of({"type": "integer", **OPTIONAL}), "many") == "many"
    assert read(field_of({"type": "number", **OPTIONAL}), "nan") == "nan"
    assert read(field_of({"type": "object"}), "{broken") == "{broken"
    assert read(field_of({"type": "array", "items": {"type": "integer"}}), "1\nx") == [1, "x"]


def test_files_become_uploads_and_stored_files_are_shown_by_path():
    one, several = field_of(URI), field_of({"type": "array", "items": URI})
    assert read(one, "/tmp/a.png") == Upload("/tmp/a.png")
    assert read(several, ["/tmp/a", "/tmp/b"]) == [Upload("/tmp/a"), Upload("/tmp/b")]
    assert shown(one, {"value": Path("/tmp/a.png")}) == "/tmp/a.png"
    assert shown(several, {"value": [Path("/tmp/a"), None]}) == ["/tmp/a"]
    assert shown(one, {"value": "https://elsewhere.example/a.png"}) is None


@pytest.mark.parametrize(
    ("low", "high", "value", "step"),
    [
        (0, 1, 0.5, 0.01),
        (0, 20, 7.5, 0.1),
        (0, 1, 0.125, 0.001),
        (0, 2, 0.7, 0.01),
        (1, 10, 4, 0.01),
    ],
)
def test_sliders_step_finely_enough_for_their_value(low, high, value, step):
    schema = {"type": "number", "minimum": low, "maximum": high, "default": value}
    slider = widget(field_of(schema), value)
    assert slider.step == pytest.approx(step)


def test_an_integer_slider_gives_integers():
    assert repr(read(field_of(SLIDER), 20.0)) == "20"


def test_a_number_says_what_it_may_be():
    box = widget(field_of({"type": "integer", "minimum": 0, "maximum": 9, **OPTIONAL}), None)
    assert box.placeholder == "unset · 0 to 9"
    seed = widget(field_of({"type": "integer", **OPTIONAL}, name="seed"), None)
    assert seed.placeholder == "random"


def test_accepted_types_reach_the_file_dialog():
    field = field_of({**URI, "x-cog-accept": ".srt,.vtt"})
    assert input_widgets.widget(field, None).file_types == [".srt", ".vtt"]
    assert widget(field_of({**URI, "x-cog-accept": "application/pdf"}), None).file_types is None
