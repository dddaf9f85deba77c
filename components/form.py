"""One model's form: fields in order, what is seldom used behind "more", problems on the fields."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from components import input_widgets
from components.input_fields import MISSING, Field, InputKind
from errors import Problem

ALL_SHOWN = 6
FIRST_SHOWN = 5
"""Up to `ALL_SHOWN` inputs are all shown. Of more than that, only what is required and what is
among the first `FIRST_SHOWN`.
"""

MEDIA = (InputKind.IMAGE, InputKind.AUDIO, InputKind.VIDEO)


@dataclass(frozen=True)
class Drawn:
    """A field on the page. `note` is the component that carries its description or its problem,
    `group` what has to be open for the field to be seen."""

    field: Field
    component: Component
    note: Component
    group: gr.Accordion | None = None


def draw(fields: Sequence[Field], values: Mapping[str, Any]) -> list[Drawn]:
    """Adds the fields to the page, filled with `values` or their defaults. Returns them in the
    order of
    `fields`, whatever group they are in.
    """
    first, more, deprecated = groups(fields)
    drawn = [_draw(field, values) for field in first]
    for name, group in (("more", more), ("deprecated", deprecated)):
        if group:
            # A seed that an example brings is no reason to open all.
            touched = any(
                field.name != "seed" and values.get(field.name, field.default) != field.default
                for field in group
            )
            label = f"{name} ({len(group)})"
            with gr.Accordion(label, open=touched, elem_classes=["quiet"]) as accordion:
                drawn += [_draw(field, values, accordion) for field in group]
    position = {field.name: at for at, field in enumerate(fields)}
    return sorted(drawn, key=lambda each: position[each.field.name])


def groups(fields: Sequence[Field]) -> tuple[list[Field], list[Field], list[Field]]:
    """What is shown first, what is behind "more", what is deprecated."""
    current = [field for field in fields if not field.deprecated]
    deprecated = [field for field in fields if field.deprecated]
    if len(current) <= ALL_SHOWN:
        return current, [], deprecated
    # A place to drop a file is large: one that can stay empty waits behind "more".
    small = [field for field in current if field.kind not in MEDIA][:FIRST_SHOWN]
    first = [field for field in current if field.required or field in small]
    return first, [field for field in current if field not in first], deprecated


def _draw(field: Field, values: Mapping[str, Any], group: gr.Accordion | None = None) -> Drawn:
    value = input_widgets.shown(field, values)
    if not input_widgets.KINDS[field.kind].captioned:
        with gr.Column(elem_classes=["changeable"]):
            component = input_widgets.widget(field, value)
            if not field.required:
                _draw_dot(field, component, value)
        return Drawn(field, component, component, group)
    with gr.Column(elem_classes=["captioned"]):
        note = gr.Markdown(caption(field), elem_classes=["caption"])
        component = input_widgets.widget(field, value)
    return Drawn(field, component, note, group)


def _draw_dot(field: Field, component: Any, value: Any) -> None:
    """What is not as it was by default carries a dot that resets it. The browser alone compares."""
    default = input_widgets.shown(field, {})
    dot = gr.Button(
        f"Reset {field.name}", visible=(value or "") != (default or ""), elem_classes=["dot-reset"]
    )
    literal = json.dumps(default, default=str)
    changed = f"JSON.stringify(value || '') !== JSON.stringify({literal} || '')"
    component.change(
        None, component, dot, js=f"(value) => ({{__type__: 'update', visible: {changed}}})"
    )
    dot.click(None, None, component, js=f"() => ({literal})")


def caption(field: Field, problem: str = "") -> str:
    title = rf"**{field.name}** \*" if field.required else f"**{field.name}**"
    return "\n\n".join(part for part in (title, problem or field.description) if part)


def inputs(fields: Iterable[Field], raws: Iterable[Any]) -> dict[str, Any]:
    """The inputs that the widgets' values stand for; what is unset is not among them."""
    read = {
        field.name: input_widgets.read(field, raw) for field, raw in zip(fields, raws, strict=True)
    }
    return {name: value for name, value in read.items() if value is not MISSING}


def noted(drawn: Iterable[Drawn]) -> list[Block]:
    """What `notes` may update."""
    return list({part: None for each in drawn for part in (each.note, each.group) if part})


def notes(drawn: Iterable[Drawn], problems: Iterable[Problem]) -> dict[Block, Any]:
    """Updates that show each problem on its field, clear the others and open what hides one."""
    said: dict[str, list[str]] = {}
    for problem in problems:
        said.setdefault(problem.field.partition(".")[0], []).append(problem.message)
    updates: dict[Block, Any] = {}
    for each in drawn:
        text = " ".join(said.get(each.field.name, ()))
        updates[each.note] = _note(each, text)
        if text and each.group is not None:
            updates[each.group] = gr.update(open=True)
    return updates


def _note(drawn: Drawn, problem: str) -> Any:
    classes = ["invalid"] if problem else []
    if drawn.note is drawn.component:
        return gr.update(
            info=problem or drawn.field.description or None, elem_classes=["field", *classes]
        )
    return gr.update(value=caption(drawn.field, problem), elem_classes=["caption", *classes])
