"""The form: groups, what it reads, and problems on the fields they belong to."""

from __future__ import annotations

import gradio as gr

from components import form
from components.input_fields import fields
from errors import Problem


def schema(properties, required=()):
    ordered = {name: {"x-order": at, **each} for at, (name, each) in enumerate(properties.items())}
    given = {"properties": ordered, "required": list(required)}
    return fields({"components": {"schemas": {"Input": given}}})


MANY = schema(
    {
        "prompt": {"type": "string"},
        **{f"option_{n}": {"type": "integer", "nullable": True} for n in range(7)},
        "image": {"type": "string", "format": "uri"},
        "old": {"type": "string", "deprecated": True},
    },
    required=["prompt", "image"],
)


def test_what_is_required_is_never_behind_more():
    first, more, deprecated = form.groups(MANY)
    assert [each.name for each in first] == [
        "prompt", "option_0", "option_1", "option_2", "option_3", "image",
    ]  # fmt: skip
    assert [each.name for each in more] == ["option_4", "option_5", "option_6"]
    assert [each.name for each in deprecated] == ["old"]


def test_a_place_for_a_file_that_can_stay_empty_waits_behind_more():
    picture = {"type": "string", "format": "uri", "nullable": True}
    given = {"prompt": {"type": "string"}, "image": picture}
    given |= {f"option_{n}": {"type": "integer", "nullable": True} for n in range(7)}
    first, more, _ = form.groups(schema(given))
    assert [each.name for each in first] == [
        "prompt", "option_0", "option_1", "option_2", "option_3",
    ]  # fmt: skip
    assert more[0].name == "image"


def test_a_few_inputs_are_all_shown():
    few = schema({name: {"type": "string"} for name in "abcdef"})
    assert form.groups(few) == (list(few), [], [])


def drawn(given, values):
    """Only where a loop runs: gradio would make one of its own and never close it."""
    with gr.Blocks(analytics_enabled=False):
        return form.draw(given, values)


async def test_components_come_back_in_the_order_of_the_schema():
    assert [each.field.name for each in drawn(MANY, {})] == [field.name for field in MANY]


async def test_a_group_that_holds_a_given_value_is_open():
    by_name = {each.field.name: each for each in drawn(MANY, {"option_6": 3})}
    assert by_name["option_6"].group.open
    assert not by_name["old"].group.open


def test_what_is_left_unset_is_not_among_the_inputs():
    raws = {"prompt": "hi", "option_1": "4", "image": "/tmp/a.png"}
    read = form.inputs(MANY, [raws.get(field.name) for field in MANY])
    assert sorted(read) == ["image", "option_1", "prompt"]
    assert read["option_1"] == 4


async def test_problems_are_shown_on_their_fields_all_at_once():
    given = drawn(MANY, {})
    problems = [
        Problem("prompt", "required", "This input is required."),
        Problem("option_6", "invalid_type", "Not an integer."),
        Problem("image.0", "invalid_file", "Not a picture."),
    ]
    updates = form.notes(given, problems)
    by_name = {each.field.name: each for each in given}
    assert updates[by_name["prompt"].note]["info"] == "This input is required."
    assert "Not a picture." in updates[by_name["image"].note]["value"]
    assert updates[by_name["option_6"].group] == gr.update(open=True)
    assert updates[by_name["option_0"].note]["elem_classes"] == ["field"]
    assert set(updates) <= set(form.noted(given))
