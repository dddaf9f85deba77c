"""What a button does that starts a prediction or a training with what is in a form."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency

from components import form, form_files, wording
from components.house_rules import QUIET
from components.output_panel import OutputPanel, Updates
from errors import AtelierError, ConsentNeeded, InvalidInput
from model_registry.spec import Version
from predictions.callers import Visitors
from predictions.service import PredictionService


@dataclass(frozen=True)
class Starting:
    """`opened` says which version's form is shown; `current` is to be the id of what was started,
    `link` its address, and `following` ends when something new begins.
    """

    service: PredictionService
    visitors: Visitors
    panel: OutputPanel
    opened: gr.State
    current: gr.State
    link: gr.Textbox
    following: Dependency

    def by(
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
            caller = self.visitors.caller(request.cookies)
            try:
                prediction = await self.service.create(
                    opened["reference"],
                    await form_files.stored(self.service.files, version, fields, inputs, caller),
                    source="web",
                    caller=caller,
                    destination=(raws[0] or "") if beside else None,
                    trains=version.code.trains,
                )
            except InvalidInput as error:
                return {
                    **form.notes(drawn, error.problems),
                    **self._refused(problems_elsewhere(error, drawn)),
                }
            except ConsentNeeded as error:
                asked = await asyncio.to_thread(self.panel.asks_consent, error.model)
                return {**form.notes(drawn, ()), **self.panel.blank(), self.current: None, **asked}
            except AtelierError as error:
                return {**form.notes(drawn, ()), **self._refused(wording.message(error))}
            return {
                **form.notes(drawn, ()),
                **self.panel.waits(),
                self.current: prediction.id,
                self.link: f"/?prediction={prediction.id}",
            }

        button.click(
            start,
            [self.opened, *beside, *(each.component for each in drawn)],
            [self.current, self.link, *self.panel.outputs, *form.noted(drawn)],
            cancels=[self.following],
            **QUIET,
        ).then(None, None, None, js="() => atelier.showAnswer()")

    def _refused(self, text: str) -> Updates:
        """What the output side says when nothing was run."""
        return {**self.panel.blank(), self.current: None, **self.panel.said(text)}


def problems_elsewhere(error: InvalidInput, drawn: Sequence[form.Drawn]) -> str:
    """Problems of fields are on the fields; any other is said here."""
    names = {each.field.name for each in drawn}
    elsewhere = [
        each.message for each in error.problems if each.field.partition(".")[0] not in names
    ]
    return " ".join(["Some inputs need another look: they are marked in the form.", *elsewhere])
