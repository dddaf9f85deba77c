"""One row of `KINDS` per kind of input: how it is drawn, how an input gets in and out of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from components.input_fields import MISSING, Field, InputKind, is_number
from components.theme import WAVEFORM

UNSET = "atelier:unset"
"""The choice that stands for "left out" where a widget always has one."""

RADIO_CHOICES = 4


@dataclass(frozen=True)
class Upload:
    """A file that the page received and that is not yet stored."""

    path: str


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
        [("unset", UNSET), ("yes", "yes"), ("no", "no")], value=value, **_labelled(field)
    )


def _choice(field: Field, value: Any) -> Component:
    choices = [(str(each), each) for each in field.choices]
    if field.may_be_unset:
        choices.insert(0, ("unset", UNSET))
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


# --- inputs → what a widget shows, and back. A reader never judges: what it cannot read it hands
# on, and the one
# validator names the problem beside all others.


def _same(field: Field, value: Any) -> Any:
    return value


def _show_text(field: Field, value: Any) -> str | None:
    return None if value is None else str(value)


def _never_shown(field: Field, value: Any) -> None:
    """A secret is not kept, so there is nothing to show but the mask that stands for it."""


def _read_text(field: Field, raw: Any) -> Any:
    """An emptied text is left out, unless a default stands behind it that the person has taken
    away.
    """
    if raw is None or (raw == "" and (field.required or field.default in (MISSING, ""))):
        return MISSING
    return raw


def _show_number(field: Field, value: Any) -> str | None:
    return None if value is None else repr(value) if is_number(value) else str(value)


def _read_number(field: Field, raw: Any) -> Any:
    text = str(raw if raw is not None else "").strip()
    return _parse_number(text) if text else MISSING


def _parse_number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _read_slider(field: Field, raw: Any) -> Any:
    if raw is None:
        return MISSING
    return int(raw) if field.integer and float(raw).is_integer() else raw


def _read_toggle(field: Field, raw: Any) -> Any:
    return bool(raw)


def _show_optional_toggle(field: Field, value: Any) -> str:
    return UNSET if value is None else "yes" if value else "no"


def _read_optional_toggle(field: Field, raw: Any) -> Any:
    return {"yes": True, "no": False}.get(raw, MISSING)


def _show_choice(field: Field, value: Any) -> Any:
    if value in field.choices:
        return value
    return UNSET if field.may_be_unset else None


def _read_choice(field: Field, raw: Any) -> Any:
    return MISSING if raw is None or raw == UNSET else raw


def _show_choices(field: Field, value: Any) -> list[Any]:
    return [each for each in _as_list(value) if each in field.choices]


def _read_list(field: Field, raw: Any) -> Any:
    return _list_or_missing(field, list(raw or ()))


def _list_or_missing(field: Field, values: list[Any]) -> Any:
    return MISSING if not values and (field.required or field.default in (MISSING, [])) else values


def _show_file(field: Field, value: Any) -> str | None:
    return str(value) if isinstance(value, Path) else None


def _read_file(field: Field, raw: Any) -> Any:
    return Upload(str(raw)) if raw else MISSING


def _show_files(field: Field, value: Any) -> list[str] | None:
    return [str(each) for each in _as_list(value) if isinstance(each, Path)] or None


def _read_files(field: Field, raw: Any) -> Any:
    return [Upload(str(each)) for each in raw] if raw else MISSING


def _show_lines(field: Field, value: Any) -> str | None:
    """One a line; as JSON where an item itself has a line break."""
    if value is None:
        return None
    items = [
        each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)
        for each in _as_list(value)
    ]
    awkward = any("\n" in each or each != each.strip() or not each for each in items)
    return json.dumps(value, ensure_ascii=False) if awkward else "\n".join(items)


def _read_lines(field: Field, raw: Any) -> Any:
    text = (raw or "").strip()
    if text.startswith("[") and isinstance(parsed := _parse_json(text), list):
        return parsed
    lines = [line for each in text.splitlines() if (line := each.strip())]
    return _list_or_missing(field, lines)


def _read_numbers(field: Field, raw: Any) -> Any:
    values = _read_lines(field, raw)
    return (
        [_parse_number(each) if isinstance(each, str) else each for each in values]
        if values is not MISSING
        else values
    )


def _show_json(field: Field, value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, indent=2)


def _read_json(field: Field, raw: Any) -> Any:
    text = (raw or "").strip()
    return _parse_json(text) if text else MISSING


def _show_any(field: Field, value: Any) -> str | None:
    """A text as it stands, unless it would be read back as something else."""
    if value is None:
        return None
    if isinstance(value, str) and _parse_json(value) is value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _parse_json(text: str) -> Any:
    """What `text` says as JSON, else the very same text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


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
    InputKind.LINE: Kind(_line, _show_text, _read_text),
    InputKind.PROMPT: Kind(_prompt, _show_text, _read_text),
    InputKind.SECRET: Kind(_secret, _never_shown, _read_text),
    InputKind.NUMBER: Kind(_number, _show_number, _read_number),
    InputKind.SLIDER: Kind(_slider, _same, _read_slider),
    InputKind.TOGGLE: Kind(_toggle, _same, _read_toggle),
    InputKind.OPTIONAL_TOGGLE: Kind(_optional_toggle, _show_optional_toggle, _read_optional_toggle),
    InputKind.CHOICE: Kind(_choice, _show_choice, _read_choice),
    InputKind.CHOICES: Kind(_choices, _show_choices, _read_list),
    InputKind.IMAGE: Kind(_image, _show_file, _read_file, captioned=True),
    InputKind.AUDIO: Kind(_audio, _show_file, _read_file, captioned=True),
    InputKind.VIDEO: Kind(_video, _show_file, _read_file, captioned=True),
    InputKind.FILE: Kind(_file, _show_file, _read_file, captioned=True),
    InputKind.FILES: Kind(_files, _show_files, _read_files, captioned=True),
    InputKind.LINES: Kind(_lines, _show_lines, _read_lines),
    InputKind.NUMBERS: Kind(_lines, _show_lines, _read_numbers),
    InputKind.JSON: Kind(_json, _show_json, _read_json, captioned=True),
    InputKind.ANY: Kind(_line, _show_any, _read_json),
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
