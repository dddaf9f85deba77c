"""One row of `KINDS` per kind of input: how it is drawn, how an input gets in and out of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from components import input_values
from components.input_fields import MISSING, Field, InputKind
from components.theme import WAVEFORM

RADIO_CHOICES = 4


# --- widgets: one small function per kind; `value` is what `shown` made of an input


def _told(field: Field) -> dict[str, Any]:
    """The key makes a widget that is drawn again, for a reset or an example, take a value of none:
    without one Gradio leaves it as it was.
    """
    return {
        "elem_classes": ["field"],
        "interactive": True,
        "key": f"{field.kind.value} {field.name}",
        "preserved_by_key": [],
    }


def _labelled(field: Field) -> dict[str, Any]:
    return {
        **_told(field),
        "label": field.label,
        "info": field.description or None,
    }


def _captioned(field: Field) -> dict[str, Any]:
    """For widgets that have no line for a description: the form puts a caption above them."""
    return {
        **_told(field),
        "label": field.label,
        "show_label": False,
    }


def _line(field: Field, value: Any) -> Component:
    return gr.Textbox(value, lines=1, max_lines=1, **_labelled(field))


def _prompt(field: Field, value: Any) -> Component:
    prominent = field.required or field.name in ("prompt", "text")
    return gr.Textbox(value, lines=3 if prominent else 1, max_lines=12, **_labelled(field))


def _secret(field: Field, value: Any) -> Component:
    hidden = gr.InputHTMLAttributes(autocomplete="off")
    return gr.Textbox(value, type="password", html_attributes=hidden, **_labelled(field))


def _number(field: Field, value: Any) -> Component:
    """A line of text: gradio's number box shows 0 where nothing is set, and JavaScript's numbers
    end at 2⁵³.
    """
    hint = "random" if field.name == "seed" else "unset"
    span = _span(field)
    placeholder = " · ".join(part for part in (hint if field.may_be_unset else "", span) if part)
    return gr.Textbox(
        value, lines=1, max_lines=1, placeholder=placeholder or None, **_labelled(field)
    )


def _span(field: Field) -> str:
    low, high = (None if each is None else f"{each:g}" for each in (field.minimum, field.maximum))
    if low and high:
        return f"{low} to {high}"
    return f"at least {low}" if low else f"at most {high}" if high else ""


def _slider(field: Field, value: Any) -> Component:
    assert field.minimum is not None and field.maximum is not None
    given = field.minimum if value is None else value
    step = 1.0 if field.integer else _step(field.minimum, field.maximum, given)
    return gr.Slider(field.minimum, field.maximum, given, step=step, buttons=[], **_labelled(field))


def _step(low: float, high: float, value: float) -> float:
    """About a hundredth of the range, a power of ten, and fine enough to hold `value`."""
    exponent = math.floor(math.log10((high - low) / 100))
    for finer in range(4):
        steps = (value - low) / 10.0 ** (exponent - finer)
        if abs(steps - round(steps)) < 1e-6:
            return float(10.0 ** (exponent - finer))
    return float(10.0**exponent)


def _toggle(field: Field, value: Any) -> Component:
    return gr.Checkbox(bool(value), **_labelled(field))


def _optional_toggle(field: Field, value: Any) -> Component:
    return gr.Radio(
        [("unset", input_values.UNSET), ("yes", "yes"), ("no", "no")],
        value=value,
        **_labelled(field),
    )


def _choice(field: Field, value: Any) -> Component:
    choices = [(str(each), each) for each in field.choices]
    if field.may_be_unset:
        choices.insert(0, ("unset", input_values.UNSET))
    if len(field.choices) <= RADIO_CHOICES:
        return gr.Radio(choices, value=value, **_labelled(field))
    return gr.Dropdown(choices, value=value, **_labelled(field))


def _choices(field: Field, value: Any) -> Component:
    return gr.Dropdown(
        [(str(each), each) for each in field.choices],
        value=value,
        multiselect=True,
        **_labelled(field),
    )


def _image(field: Field, value: Any) -> Component:
    image = gr.Image(
        value,
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard", "webcam"],
        height=240,
        buttons=[],
        **_captioned(field),
    )
    # Gradio would open the picture and throw up what it cannot decode; that is the model's to say.
    image.preprocess = _path_of  # type: ignore[method-assign]
    return image


def _path_of(payload: Any) -> str | None:
    return payload.path if payload else None


def _audio(field: Field, value: Any) -> Component:
    return gr.Audio(
        value,
        type="filepath",
        sources=["upload", "microphone"],
        buttons=[],
        waveform_options=WAVEFORM,
        **_captioned(field),
    )


def _video(field: Field, value: Any) -> Component:
    return gr.Video(
        value,
        sources=["upload", "webcam"],
        include_audio=True,
        height=240,
        buttons=[],
        **_captioned(field),
    )


def _file(field: Field, value: Any) -> Component:
    return gr.File(
        value, type="filepath", file_types=_file_types(field), height=140, **_captioned(field)
    )


def _files(field: Field, value: Any) -> Component:
    return gr.File(
        value,
        type="filepath",
        file_count="multiple",
        file_types=_file_types(field),
        height=140,
        **_captioned(field),
    )


def _file_types(field: Field) -> list[str] | None:
    """`x-cog-accept` in gradio's words: `image/*` is `image`, `.srt` stays; one that it has no
    word for lifts the filter.
    """
    families = {"image/*": "image", "audio/*": "audio", "video/*": "video", "text/*": "text"}
    types = [families.get(each, each) for each in field.accept]
    return (
        types
        if types and all(each in families.values() or each.startswith(".") for each in types)
        else None
    )


def _lines(field: Field, value: Any) -> Component:
    return gr.Textbox(value, lines=3, max_lines=12, placeholder="one per line", **_labelled(field))


def _json(field: Field, value: Any) -> Component:
    return gr.Code(
        value,
        language="json",
        lines=3,
        max_lines=16,
        show_line_numbers=False,
        buttons=[],
        **_captioned(field),
    )


# --- the table


@dataclass(frozen=True)
class Kind:
    """`widget` draws, `show` turns an input into the widget's value, `read` turns that value into
    an input or `MISSING`.
    """

    widget: Callable[[Field, Any], Component]
    show: Callable[[Field, Any], Any]
    read: Callable[[Field, Any], Any]
    captioned: bool = False


KINDS: Mapping[InputKind, Kind] = {
    InputKind.LINE: Kind(_line, input_values.show_text, input_values.read_text),
    InputKind.PROMPT: Kind(_prompt, input_values.show_text, input_values.read_text),
    InputKind.SECRET: Kind(_secret, input_values.never_shown, input_values.read_text),
    InputKind.NUMBER: Kind(_number, input_values.show_number, input_values.read_number),
    InputKind.SLIDER: Kind(_slider, input_values.same, input_values.read_slider),
    InputKind.TOGGLE: Kind(_toggle, input_values.same, input_values.read_toggle),
    InputKind.OPTIONAL_TOGGLE: Kind(
        _optional_toggle, input_values.show_optional_toggle, input_values.read_optional_toggle
    ),
    InputKind.CHOICE: Kind(_choice, input_values.show_choice, input_values.read_choice),
    InputKind.CHOICES: Kind(_choices, input_values.show_choices, input_values.read_list),
    InputKind.IMAGE: Kind(_image, input_values.show_file, input_values.read_file, captioned=True),
    InputKind.AUDIO: Kind(_audio, input_values.show_file, input_values.read_file, captioned=True),
    InputKind.VIDEO: Kind(_video, input_values.show_file, input_values.read_file, captioned=True),
    InputKind.FILE: Kind(_file, input_values.show_file, input_values.read_file, captioned=True),
    InputKind.FILES: Kind(_files, input_values.show_files, input_values.read_files, captioned=True),
    InputKind.LINES: Kind(_lines, input_values.show_lines, input_values.read_lines),
    InputKind.NUMBERS: Kind(_lines, input_values.show_lines, input_values.read_numbers),
    InputKind.JSON: Kind(_json, input_values.show_json, input_values.read_json, captioned=True),
    InputKind.ANY: Kind(_line, input_values.show_any, input_values.read_json),
}


def shown(field: Field, values: Mapping[str, Any]) -> Any:
    """What the field's widget shows: the given input, else the default. Files are given as
    `Path`s.
    """
    default = None if field.default is MISSING else field.default
    return KINDS[field.kind].show(field, values.get(field.name, default))


def widget(field: Field, value: Any) -> Component:
    """The field's widget, showing `value` (from `shown`)."""
    return KINDS[field.kind].widget(field, value)


def read(field: Field, raw: Any) -> Any:
    """The input that a widget's value stands for, with `Upload`s for files, or `MISSING` where it
    is left out.
    """
    return KINDS[field.kind].read(field, raw)
