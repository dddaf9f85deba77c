"""The Run tab: pick a model, fill its form, run. The page only follows what the service runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import gradio as gr

from cog.encoding import FILE
from components import (
    about,
    facts,
    form,
    form_files,
    input_fields,
    output_views,
    page_files,
    send_on,
    train_form,
    wording,
)
from components.house_rules import QUIET, markup
from components.output_panel import OutputPanel, Updates, problem_html
from errors import AtelierError, ConsentNeeded, InvalidInput
from model_registry.inputs import file_positions, map_files
from model_registry.spec import Example, Model, Version
from predictions.callers import Caller, Visitors
from predictions.prediction import Prediction
from predictions.references import references
from predictions.service import PredictionService

ALL = "all"
PATIENCE = 2.0
"""Seconds for which the page waits for a model that is still being described."""


class RunTab:
    """Adds the tab's components to the page being built. `opened` says which version's form is
    shown,
    filled with what; `current` is the id of the prediction that is shown, and following it begins
    whenever it changes.
    """

    def __init__(self, service: PredictionService, visitors: Visitors) -> None:
        self._service = service
        self._visitors = visitors
        self.opened = gr.State()
        self.current = gr.State()
        self.link = gr.Textbox(visible="hidden", elem_id="link", label="link")
        self._build_picker()
        with gr.Row(elem_id="bench"):
            with gr.Column(scale=5, min_width=320, elem_id="form"):
                form_place = gr.Column(elem_id="fields")
                with gr.Row(elem_id="actions"):
                    self._run = gr.Button("Run", variant="primary", elem_id="run")
                    self._cancel = gr.Button(
                        "Cancel", variant="stop", elem_id="cancel", visible=False
                    )
                    self._reset = gr.Button("Reset", elem_id="reset", variant="secondary")
                train_place = gr.Column(elem_id="training")
                about_place = gr.Column(elem_id="about")
            with gr.Column(scale=7, min_width=320, elem_id="output"):
                self._panel = OutputPanel(service, self._run, self._cancel)
        self.following = self.current.change(
            self._panel.follow,
            [self.current],
            self._panel.outputs,
            trigger_mode="multiple",
            **QUIET,
        )
        self.open_outputs = [
            self.opened,
            self.current,
            self._category,
            self._model,
            self.link,
            *self._panel.outputs,
        ]
        with form_place:
            gr.render(self.opened, [self.opened.change], show_progress="hidden")(self._show_form)
        with train_place:
            gr.render(self.opened, [self.opened.change], show_progress="hidden")(self._show_train)
        with about_place:
            gr.render(self.opened, [self.opened.change], show_progress="hidden")(self._show_about)
        self._wire()

    # --- what is on the page

    def _build_picker(self) -> None:
        categories = [
            ("all kinds", ALL),
            *((each, each) for each in self._service.catalog.categories()),
        ]
        with gr.Row(elem_id="picker"):
            self._category = gr.Dropdown(
                categories,
                value=ALL,
                label="category",
                show_label=False,
                container=False,
                filterable=False,
                min_width=120,
                scale=0,
                elem_id="category",
            )
            self._model = gr.Dropdown(
                self._choices(ALL),
                value=None,
                label="model",
                show_label=False,
                container=False,
                elem_id="model",
                min_width=240,
            )

    def _show_form(self, opened: dict[str, Any] | None) -> None:
        if opened is None:
            return
        try:
            version = self._service.catalog.resolve(opened["reference"])
            model = self._service.catalog.find(version.model)
        except AtelierError as error:
            markup(problem_html(wording.message(error)))
            return
        markup(
            facts.model_html(
                model,
                version,
                self._service.pool.is_warm(version.id),
                facts.weights_words(version, self._service.downloads),
            ),
            elem_classes=["facts"],
        )
        fields = input_fields.fields(version.schema)
        self._draw_examples(opened["reference"], version, model.examples)
        drawn = form.draw(fields, opened["values"])
        self._wire_start(self._run, version, drawn)

    def _show_train(self, opened: dict[str, Any] | None) -> None:
        """Nothing where nothing can be trained. Private visitors have no models of their own: what
        they train gives them its weights, and no version is made of it.
        """
        if opened is None:
            return
        with suppress(AtelierError):  # what cannot be found, the form says
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
            self._wire_start(drawn.button, trainer, drawn.drawn, drawn.destination)

    def _show_about(self, opened: dict[str, Any] | None) -> None:
        # What cannot be found, the form says.
        with suppress(AtelierError):
            if opened is not None:
                version = self._service.catalog.resolve(opened["reference"])
                about.draw(self._service.catalog.find(version.model), version)

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
        self._category.input(
            lambda category: gr.update(choices=self._choices(category)),
            self._category,
            self._model,
            **QUIET,
        )
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
        self._cancel.click(self._cancel_current, self.current, None, **QUIET)
        self.link.change(None, self.link, None, js="(link) => atelier.go(link)")

    def _wire_start(
        self,
        button: gr.Button,
        version: Version,
        drawn: list[form.Drawn],
        destination: gr.Dropdown | None = None,
    ) -> None:
        """The fields are new with every model, so the button that reads them is wired anew."""
        fields = [each.field for each in drawn]
        beside = [] if destination is None else [destination]

        async def start(request: gr.Request, opened: dict[str, Any], *raws: Any) -> Updates:
            inputs = form.inputs(fields, raws[len(beside) :])
            caller = self._visitors.caller(request.cookies)
            try:
                prediction = await self._service.create(
                    opened["reference"],
                    await form_files.stored(self._service.files, version, fields, inputs, caller),
                    source="web",
                    caller=caller,
                    destination=(raws[0] or "") if beside else None,
                    trains=version.code.trains,
                )
            except InvalidInput as error:
                return {**form.notes(drawn, error.problems), **self._refused(error, fields)}
            except ConsentNeeded as error:
                asked = await asyncio.to_thread(self._panel.asks_consent, error.model)
                return {**form.notes(drawn, ()), **self._panel.blank(), self.current: None, **asked}
            except AtelierError as error:
                return {**form.notes(drawn, ()), **self._refused(error, fields)}
            return {
                **form.notes(drawn, ()),
                **self._panel.waits(),
                self.current: prediction.id,
                self.link: f"/?prediction={prediction.id}",
            }

        button.click(
            start,
            [self.opened, *beside, *(each.component for each in drawn)],
            [self.current, self.link, *self._panel.outputs, *form.noted(drawn)],
            cancels=[self.following],
            **QUIET,
        ).then(None, None, None, js="() => atelier.showAnswer()")

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
            if values is None:
                examples = self._service.catalog.find(version.model).examples
                values = examples[0].input if examples else {}
        except AtelierError as error:
            return {
                **self._panel.blank(),
                **self._panel.said(wording.message(error)),
                self.current: None,
            }
        return {
            **self._panel.blank(),
            self.opened: await self._filled(reference, version, values, destination),
            self.current: prediction_id,
            self._category: ALL,
            self._model: gr.update(choices=self._choices(ALL), value=version.model),
            self.link: f"/?prediction={prediction_id}"
            if prediction_id
            else f"/?model={version.model}",
        }

    async def open_again(self, prediction: Prediction, shown: str | None = None) -> Updates:
        """The form of a prediction or a training, filled as it was. `shown` is the id of what is
        to be followed.
        """
        reference = f"{prediction.model}:{prediction.version}"
        return await self.open(reference, prediction.input, shown, prediction.destination)

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
        """What a link names; without one, the model that is shown first."""
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

    def _refused(self, error: AtelierError, fields: Sequence[input_fields.Field]) -> Updates:
        """What the output side says when nothing was run; problems of fields are on the fields."""
        text = wording.message(error)
        if isinstance(error, InvalidInput):
            names = {field.name for field in fields}
            elsewhere = [
                each.message for each in error.problems if each.field.partition(".")[0] not in names
            ]
            text = " ".join(
                ["Some inputs need another look: they are marked in the form.", *elsewhere]
            )
        return {**self._panel.blank(), self.current: None, **self._panel.said(text)}

    def _choices(self, category: str) -> list[tuple[str, str]]:
        models = self._service.catalog.models()
        return [(facts.title(each), each.id) for each in models if category in (ALL, each.category)]


NO_MODELS = (
    "There is no model here. Start the app with --models DIR, a folder of Cog model folders."
)


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
