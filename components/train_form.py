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
    destination: gr.Dropdown
    drawn: list[form.Drawn]


def draw(
    trainer: Version,
    destinations: Sequence[str],
    values: Mapping[str, Any] | None,
    destination: str | None,
) -> TrainForm:
    """Adds the section to the page, closed unless there are `values` to fill it with. Without a
    `destination` the weights go to the model itself where they may.
    """
    fallback = trainer.model if trainer.model in destinations else next(iter(destinations), None)
    chosen = destination if destination in destinations else fallback
    is_open = values is not None
    with gr.Accordion("train", open=is_open, elem_id="train", elem_classes=["quiet"]):
        drawn = form.draw(input_fields.fields(trainer.schema), values or {})
        into = gr.Dropdown(
            list(destinations),
            value=chosen,
            label="destination",
            info="The model whose next version the weights are to be",
            elem_id="destination",
            elem_classes=["field"],
        )
        with gr.Row():
            button = gr.Button("Train", variant="primary", elem_id="start-training")
    return TrainForm(button, into, drawn)
