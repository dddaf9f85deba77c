"""The Run tab: pick a model, fill its form, run; beside the form the sheets that tell of the model.
The page only follows what the service runs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
from components.house_rules import QUIET, markup
from components.output_panel import OutputPanel, Updates
from components.starting import Starting
from errors import AtelierError, NotFound
from model_registry.inputs import file_positions, map_files
from model_registry.spec import Example, Model, Version
from predictions.callers import Caller, Visitors
from predictions.prediction import Prediction
from predictions.references import references
from predictions.service import PredictionService

PLAYGROUND = "playground"
PATIENCE = 2.0
"""Seconds for which the page waits for a model that is still being described."""


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
            self._choices(),
            value=None,
            label="model",
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
        self.open_outputs = [
            self.opened,
            self.current,
            self._model,
            self._sheets,
            self.link,
            *self._panel.outputs,
        ]
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
                shown = partial(self._filled, reference, version, example.input)
                button.click(shown, None, self.opened, **QUIET)

    # --- events

    def _wire(self) -> None:
        self._model.input(
            self._open_chosen, self._model, self.open_outputs, cancels=[self.following], **QUIET
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
            self.open_outputs,
            cancels=[self.following],
            **QUIET,
        )
        self._about.examples.click(
            self._open_example, self.opened, [self.opened, self._sheets], **QUIET
        )
        self._cancel.click(self._cancel_current, self.current, None, **QUIET)
        self.link.change(None, self.link, None, js="(link) => atelier.go(link)")

    async def open(
        self,
        reference: str,
        values: Mapping[str, Any] | None = None,
        prediction_id: str | None = None,
        destination: str | None = None,
    ) -> Updates:
        """Updates of `open_outputs` that show a version's form, filled with `values`, else with
        the model's first example, and the output of a prediction if one is given. With a
        `destination` it is the form of a training that the values fill.
        """
        try:
            version = await self._service.catalog.fresh(reference, PATIENCE)
            model = self._service.catalog.find(version.model)
            if values is None:
                values = model.examples[0].input if model.examples else {}
        except AtelierError as error:
            return {
                **self._panel.blank(),
                **self._panel.said(wording.message(error)),
                self.current: None,
            }
        return {
            **(self._panel.blank() if prediction_id else self._panel.invites(model)),
            self.opened: await self._filled(reference, version, values, destination),
            self.current: prediction_id,
            self._model: gr.update(choices=self._choices(), value=version.model),
            self._sheets: gr.update(selected=PLAYGROUND),
            self.link: f"/?prediction={prediction_id}"
            if prediction_id
            else f"/?model={version.model}",
        }

    async def open_again(self, prediction: Prediction, shown: str | None = None) -> Updates:
        """The form of a prediction or a training, filled as it was. `shown` is the id of what is
        to be followed. Where its version is gone the newest one's form is shown, and where the
        model is gone as well, none.
        """
        reference = f"{prediction.model}:{prediction.version}"
        try:
            await self._service.catalog.fresh(reference, PATIENCE)
        except AtelierError:
            gr.Info(f"This ran on {reference[:-52]}, which is not here any more.")
            reference = prediction.model
        opened = await self.open(reference, prediction.input, shown, prediction.destination)
        if shown and self.opened not in opened:
            opened |= {self.current: shown, self.link: f"/?prediction={shown}"}
        return opened

    async def _filled(
        self,
        reference: str,
        version: Version,
        values: Mapping[str, Any],
        destination: str | None = None,
    ) -> dict[str, Any]:
        """A form to open, with the files among the values where widgets can show them."""
        if destination is not None:
            version = version.trainer or version
        files = {
            field: await page_files.local(self._service.files, value)
            for field, value in file_positions(version.schema, values)
        }
        shown = map_files(version.schema, values, lambda field, value: files[field])
        return fill(reference, shown, destination)

    async def open_link(
        self, prediction_id: str | None, model: str | None, caller: Caller
    ) -> Updates:
        """What a link names; without one, the model that is shown first. Whoever has turned to
        another sheet meanwhile stays there.
        """
        opened = await self._open_link(prediction_id, model, caller)
        return {part: update for part, update in opened.items() if part is not self._sheets}

    async def _open_link(
        self, prediction_id: str | None, model: str | None, caller: Caller
    ) -> Updates:
        if prediction_id:
            try:
                prediction = await self._service.get(prediction_id, caller)
            except AtelierError as error:
                return await self._open_instead(error)
            return await self.open_again(prediction, prediction.id)
        if model:
            try:
                await self._service.catalog.fresh(model, PATIENCE)
            except AtelierError as error:
                return await self._open_instead(error)
            return await self.open(model)
        return await self._open_first() or self._panel.said(NO_MODELS)

    async def _open_instead(self, error: AtelierError) -> Updates:
        """What was asked for is not there: say so, above a form that works."""
        first = self.first_model()
        instead = f" The form is that of {first.id} instead; Explore shows all." if first else ""
        text = f"{wording.message(error)}{instead}"
        return {**await self._open_first(), **self._panel.said(text)}

    async def _open_first(self) -> Updates:
        """The first model's form: Run is all that is left to do."""
        first = self.first_model()
        return await self.open(first.id) if first else {}

    def first_model(self) -> Model | None:
        """What a person is shown who has chosen nothing: the featured model, else any with
        examples, else any.
        """
        ordered = sorted(
            self._service.catalog.models(), key=lambda each: (not each.featured, not each.examples)
        )
        return ordered[0] if ordered else None

    async def _open_chosen(self, chosen: str | None) -> Any:
        return await self.open(chosen) if chosen else gr.skip()

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
        filled = await self._filled(reference, version, example.input)
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
        return await self.open(name, {field: {FILE: reference}} if field else {})

    async def _cancel_current(self, request: gr.Request, prediction_id: str | None) -> None:
        if prediction_id:
            try:
                caller = self._visitors.caller(request.cookies)
                await self._service.cancel(prediction_id, caller)
            except AtelierError as error:
                gr.Warning(wording.message(error))

    def _choices(self) -> list[tuple[str, str]]:
        return [(facts.title(each), each.id) for each in self._service.catalog.models()]


NO_MODELS = (
    "There is no model here. Start the app with --models DIR, a folder of Cog model folders."
)


def example_at(examples: Sequence[Example], at: int) -> Example:
    """Raises `NotFound` where it was edited away since the page has shown it."""
    if at < len(examples):
        return examples[at]
    raise NotFound("Example", str(at + 1), "Load the page again: it shows those that there are.")


def fill(
    reference: str, values: Mapping[str, Any], destination: str | None = None
) -> dict[str, Any]:
    """A form to open; with a `destination` the values are a training's. The time makes it new even
    where nothing else is, so that Reset redraws.
    """
    trains = destination is not None
    return {
        "reference": reference,
        "values": {} if trains else dict(values),
        "training": dict(values) if trains else None,
        "destination": destination,
        "at": time.monotonic(),
    }
