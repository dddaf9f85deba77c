"""The Run tab: pick a model, fill its form, run; beside the form the sheets that tell of the model.
The page only follows what the service runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import gradio as gr

from cog.encoding import FILE
from components import (
    facts,
    form,
    input_fields,
    output_views,
    page_files,
    send_on,
    train_form,
    wording,
)
from components.about import About
from components.house_rules import ALL_SHOWN, QUIET, markup
from components.opening import PATIENCE, PLAYGROUND, Opening, example_at, fill
from components.output_panel import OutputPanel
from components.starting import Starting
from errors import AtelierError
from model_registry.spec import Example, Version
from predictions.callers import Visitors
from predictions.references import references
from predictions.service import PredictionService


class RunTab:
    """Adds the tab's components to the page being built. `opened` says which version's form is
    shown, filled with what; `current` is the id of the prediction that is shown, and following it
    begins whenever it changes.
    """

    def __init__(self, service: PredictionService, visitors: Visitors) -> None:
        self._service = service
        self._visitors = visitors
        self.opened = gr.State()
        self.current = gr.State()
        self.link = gr.Textbox(visible="hidden", elem_id="link", label="link")
        self._model = gr.Dropdown(
            facts.choices(service.catalog.models()),
            value=None,
            label="model",
            num_choices_shown=ALL_SHOWN,
            show_label=False,
            container=False,
            elem_id="model",
            min_width=240,
        )
        self._about = About(service, self.opened)
        with gr.Tabs(elem_id="sheets", selected=PLAYGROUND) as self._sheets:
            with gr.Tab("Playground", id=PLAYGROUND), gr.Row(elem_id="bench"):
                self._build_bench()
            self._about.draw_sheets()
        self.opening = Opening(
            service, self._panel, self.opened, self.current, self._model, self._sheets, self.link
        )
        self._wire()

    # --- what is on the page

    def _build_bench(self) -> None:
        with gr.Column(scale=5, min_width=320, elem_id="form"):
            form_place = gr.Column(elem_id="fields")
            with gr.Row(elem_id="actions"):
                self._run = gr.Button("Run", variant="primary", elem_id="run")
                self._cancel = gr.Button("Cancel", variant="stop", elem_id="cancel", visible=False)
                self._reset = gr.Button("Reset", elem_id="reset", variant="secondary")
            train_place = gr.Column(elem_id="training")
        with gr.Column(scale=7, min_width=320, elem_id="output"):
            self._panel = OutputPanel(self._service, self._run, self._cancel)
        self.following = self.current.change(
            self._panel.follow,
            [self.current],
            self._panel.outputs,
            trigger_mode="multiple",
            **QUIET,
        )
        self._starting = Starting(
            self._service,
            self._visitors,
            self._panel,
            self.opened,
            self.current,
            self.link,
            self.following,
        )
        with form_place:
            gr.render(self.opened, [self.opened.change], show_progress="hidden")(self._show_form)
        with train_place:
            gr.render(self.opened, [self.opened.change], show_progress="hidden")(self._show_train)

    def _show_form(self, opened: dict[str, Any] | None) -> None:
        if opened is None:
            return
        try:
            version = self._service.catalog.resolve(opened["reference"])
            model = self._service.catalog.find(version.model)
        except AtelierError:  # what cannot be found, the head says
            return
        fields = input_fields.fields(version.schema)
        self._draw_examples(opened["reference"], version, model.examples)
        if not fields:
            markup('<p class="small">This model takes no inputs.</p>')
        drawn = form.draw(fields, opened["values"])
        self._starting.by(self._run, version, drawn)
        self._about.call_with(model, version, drawn)

    def _show_train(self, opened: dict[str, Any] | None) -> None:
        """Nothing where nothing can be trained. Private visitors have no models of their own: what
        they train gives them its weights, and no version is made of it.
        """
        if opened is None:
            return
        with suppress(AtelierError):  # what cannot be found, the head says
            catalog = self._service.catalog
            version = catalog.resolve(opened["reference"])
            if self._visitors.private:
                trainer, destinations = self._service.trainings.bare_trainer(version), None
            else:
                trainer = self._service.trainings.trainer(version)
                destinations = [m.id for m in catalog.models() if catalog.may_be_trained(m.id)]
            drawn = train_form.draw(
                trainer, destinations, opened["training"], opened["destination"]
            )
            self._starting.by(drawn.button, trainer, drawn.drawn, drawn.destination)

    def _draw_examples(self, reference: str, version: Version, examples: Sequence[Example]) -> None:
        if not examples:
            return
        with gr.Row(elem_classes=["examples"]):
            gr.Markdown("try", elem_classes=["caption"])
            for example in examples:
                button = gr.Button(example.title, size="sm", elem_classes=["example"])
                shown = partial(self.opening.filled, reference, version, example.input)
                button.click(shown, None, self.opened, **QUIET)

    # --- events

    def _wire(self) -> None:
        self._model.input(
            self._open_chosen, self._model, self.opening.outputs, cancels=[self.following], **QUIET
        )
        self._reset.click(
            lambda opened: opened and fill(opened["reference"], {}),
            self.opened,
            self.opened,
            **QUIET,
        )
        self._panel.send.input(
            self._send_on,
            [self._panel.send, self.current],
            self.opening.outputs,
            cancels=[self.following],
            **QUIET,
        )
        self._about.examples.click(
            self._open_example, self.opened, [self.opened, self._sheets], **QUIET
        )
        self._cancel.click(self._cancel_current, self.current, None, **QUIET)
        self.link.change(None, self.link, None, js="(link) => atelier.go(link)")

    async def _open_chosen(self, chosen: str | None) -> Any:
        return await self.opening.open(chosen) if chosen else gr.skip()

    async def _open_example(self, event: gr.EventData, opened: dict[str, Any]) -> Any:
        """The form with what one of the model's examples brings."""
        reference = opened["reference"]
        try:
            version = self._service.catalog.resolve(reference)
            model = self._service.catalog.find(version.model)
            example = example_at(model.examples, event.example)
        except AtelierError as error:
            gr.Warning(wording.message(error))
            return gr.skip()
        filled = await self.opening.filled(reference, version, example.input)
        return filled, gr.update(selected=PLAYGROUND)

    async def _send_on(self, request: gr.Request, name: str, prediction_id: str | None) -> Any:
        """The form of another model, filled with the file that this prediction made."""
        if not name or not prediction_id:
            return gr.skip()
        caller = self._visitors.caller(request.cookies)
        try:
            prediction = await self._service.get(prediction_id, caller)
            version = await self._service.catalog.fresh(name, PATIENCE)
        except AtelierError as error:
            gr.Warning(wording.message(error))
            return gr.skip()
        (reference,) = references(prediction.output)
        field = send_on.input_for(version, output_views.kind_of(page_files.named(reference)))
        return await self.opening.open(name, {field: {FILE: reference}} if field else {})

    async def _cancel_current(self, request: gr.Request, prediction_id: str | None) -> None:
        if prediction_id:
            try:
                caller = self._visitors.caller(request.cookies)
                await self._service.cancel(prediction_id, caller)
            except AtelierError as error:
                gr.Warning(wording.message(error))
