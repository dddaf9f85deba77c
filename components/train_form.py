"""The section below a form that trains a model: the trainer's inputs, and where the weights go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from components import form, input_fields
from model_registry.spec import Version


@dataclass(frozen=True)
class TrainForm:
    """What is on the page of it."""

    button: gr.Button
    destination: gr.Dropdown | None
    drawn: list[form.Drawn]


def draw(
    trainer: Version,
    destinations: Sequence[str] | None,
    values: Mapping[str, Any] | None,
    destination: str | None,
) -> TrainForm:
    """Adds the section to the page, closed unless there are `values` to fill it with. Without a
    `destination` the weights go to the model itself where they may; where there are no
    `destinations` to choose from, they only are the output.
    """
    is_open = values is not None
    with gr.Accordion("train", open=is_open, elem_id="train", elem_classes=["quiet"]):
        drawn = form.draw(input_fields.fields(trainer.schema), values or {})
        into = None
        if destinations is not None:
            into = _destination(destinations, destination or trainer.model)
        with gr.Row():
            button = gr.Button("Train", variant="primary", elem_id="start-training")
    return TrainForm(button, into, drawn)


def _destination(destinations: Sequence[str], wanted: str) -> gr.Dropdown:
    return gr.Dropdown(
        list(destinations),
        value=wanted if wanted in destinations else next(iter(destinations), None),
        label="destination",
        interactive=True,
        info="The model whose next version the weights are to be",
        elem_id="destination",
        elem_classes=["field"],
    )
