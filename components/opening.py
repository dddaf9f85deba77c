"""Which form the Run tab shows: that of a model, a run, an example, or what a link names."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from components import facts, page_files, wording
from components.output_panel import OutputPanel, Updates
from errors import AtelierError, NotFound
from model_registry.inputs import file_positions, map_files
from model_registry.spec import Example, Model, Version
from predictions.callers import Caller
from predictions.prediction import Prediction
from predictions.service import PredictionService

PLAYGROUND = "playground"
PATIENCE = 2.0
"""Seconds for which the page waits for a model that is still being described."""
NO_MODELS = (
    "There is no model here. Start the app with --models DIR, a folder of Cog model folders."
)


@dataclass(frozen=True)
class Opening:
    """`opened` says which version's form is shown, filled with what; `current` is the id of the
    prediction that is shown; `model` is the choice of one, `link` the address of what is shown.
    """

    service: PredictionService
    panel: OutputPanel
    opened: gr.State
    current: gr.State
    model: gr.Dropdown
    sheets: gr.Tabs
    link: gr.Textbox

    @property
    def outputs(self) -> list[Any]:
        """What opening a form may update."""
        parts = [self.opened, self.current, self.model, self.sheets, self.link]
        return [*parts, *self.panel.outputs]

    async def open(
        self,
        reference: str,
        values: Mapping[str, Any] | None = None,
        prediction_id: str | None = None,
        destination: str | None = None,
    ) -> Updates:
        """Updates of `outputs` that show a version's form, filled with `values`, else with
        the model's first example, and the output of a prediction if one is given. With a
        `destination` it is the form of a training that the values fill.
        """
        try:
            version = await self.service.catalog.fresh(reference, PATIENCE)
            model = self.service.catalog.find(version.model)
            if values is None:
                values = model.examples[0].input if model.examples else {}
        except AtelierError as error:
            return {
                **self.panel.blank(),
                **self.panel.said(wording.message(error)),
                self.current: None,
            }
        return {
            **(self.panel.blank() if prediction_id else self.panel.invites(model)),
            self.opened: await self.filled(reference, version, values, destination),
            self.current: prediction_id,
            self.model: gr.update(
                choices=facts.choices(self.service.catalog.models()), value=version.model
            ),
            self.sheets: gr.update(selected=PLAYGROUND),
            self.link: f"/?prediction={prediction_id}"
            if prediction_id
            else f"/?model={version.model}",
        }

    async def again(self, prediction: Prediction, shown: str | None = None) -> Updates:
        """The form of a prediction or a training, filled as it was. `shown` is the id of what is
        to be followed. Where its version is gone the newest one's form is shown, and where the
        model is gone as well, none.
        """
        reference = f"{prediction.model}:{prediction.version}"
        try:
            await self.service.catalog.fresh(reference, PATIENCE)
        except AtelierError:
            gr.Info(f"This ran on {reference[:-52]}, which is not here any more.")
            reference = prediction.model
        opened = await self.open(reference, prediction.input, shown, prediction.destination)
        if shown and self.opened not in opened:
            opened |= {self.current: shown, self.link: f"/?prediction={shown}"}
        return opened

    async def filled(
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
            field: await page_files.local(self.service.files, value)
            for field, value in file_positions(version.schema, values)
        }
        shown = map_files(version.schema, values, lambda field, value: files[field])
        return fill(reference, shown, destination)

    async def follow(self, prediction_id: str | None, model: str | None, caller: Caller) -> Updates:
        """What a link names; without one, the model that is shown first. Whoever has turned to
        another sheet meanwhile stays there.
        """
        opened = await self._open_link(prediction_id, model, caller)
        return {part: update for part, update in opened.items() if part is not self.sheets}

    async def _open_link(
        self, prediction_id: str | None, model: str | None, caller: Caller
    ) -> Updates:
        if prediction_id:
            try:
                prediction = await self.service.get(prediction_id, caller)
            except AtelierError as error:
                return await self._open_instead(error)
            return await self.again(prediction, prediction.id)
        if model:
            try:
                await self.service.catalog.fresh(model, PATIENCE)
            except AtelierError as error:
                return await self._open_instead(error)
            return await self.open(model)
        return await self._open_first() or self.panel.said(NO_MODELS)

    async def _open_instead(self, error: AtelierError) -> Updates:
        """What was asked for is not there: say so, above a form that works."""
        first = self.first_model()
        instead = f" The form is that of {first.id} instead; Explore shows all." if first else ""
        text = f"{wording.message(error)}{instead}"
        return {**await self._open_first(), **self.panel.said(text)}

    async def _open_first(self) -> Updates:
        """The first model's form: Run is all that is left to do."""
        first = self.first_model()
        return await self.open(first.id) if first else {}

    def first_model(self) -> Model | None:
        """What a person is shown who has chosen nothing: the featured model, else any with
        examples, else any.
        """
        ordered = sorted(
            self.service.catalog.models(), key=lambda each: (not each.featured, not each.examples)
        )
        return ordered[0] if ordered else None


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
