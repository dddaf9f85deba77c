"""The form that makes a model of a repository of the Hub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import escape
from typing import Any

import gradio as gr

from components.house_rules import QUIET, line_html, markup
from components.operator import EVERYBODY, ONLY_THE_OPERATOR, Operator
from errors import AtelierError
from model_registry.sizes import size
from model_registry.spec import Model
from predictions.service import PredictionService

Updates = dict[Any, Any]


class AddModel:
    """Adds the form to the page being built; nothing where no model may be added."""

    def __init__(self, service: PredictionService, operator: Operator = EVERYBODY) -> None:
        self._service = service
        self._operator = operator
        if service.catalog.hub is None or not operator.is_at(None):
            return
        with gr.Accordion(
            "Add a model from the Hub",
            open=False,
            elem_id="add-model",
            elem_classes=["quiet", "adds"],
        ):
            with gr.Row():
                self._reference = gr.Textbox(
                    label="Repository",
                    placeholder="owner/repo, owner/repo@revision, owner/repo:file",
                    scale=3,
                )
                self._name = gr.Textbox(label="Name", placeholder="as there", scale=2)
            with gr.Accordion("if its files can run code", open=False, elem_classes=["quiet"]):
                self._unsafe = gr.Checkbox(
                    label="Take weights in formats that run code when read (--unsafe-formats)"
                )
                self._trusted = gr.Textbox(
                    label="Run the code that it brings at this commit (--trust-remote-code)",
                    placeholder="40 hex digits: the commit whose code you have read",
                )
            self._button = gr.Button("Add", variant="primary", size="md", elem_id="add")
            self._told = markup(elem_id="added")
        given = [self._reference, self._name, self._trusted, self._unsafe]
        for event in (self._button.click, self._reference.submit):
            event(self._added, given, [self._told, self._reference, self._name], **QUIET)

    async def _added(
        self,
        reference: str | None,
        name: str | None,
        trusted: str | None,
        unsafe: bool | None,
        request: gr.Request | None = None,
    ) -> AsyncIterator[Updates]:
        """What is told meanwhile, and then what came of it. What lies in a closed group and was
        never shown is None.
        """
        reference, name, trusted = (each or "" for each in (reference, name, trusted))
        if not self._operator.is_at(request):
            yield {self._told: line_html(ONLY_THE_OPERATOR, "problem")}
            return
        if not reference.strip():
            yield {self._told: line_html("Write the name of a repository, such as owner/repo.")}
            return
        yield {self._told: line_html(f"Reading {reference.strip()} …")}
        try:
            model = await self._service.catalog.add_from_hub(
                reference,
                name=name.strip(),
                trust_remote_code=trusted.strip(),
                unsafe_formats=bool(unsafe),
            )
        except (AtelierError, OSError) as error:
            yield {self._told: line_html(str(error), "problem")}
            return
        yield {self._told: added_html(model), self._reference: "", self._name: ""}


def added_html(model: Model) -> str:
    link = f'<a href="/?model={escape(model.id)}">{escape(model.id)}</a>'
    revision = model.latest.weights[0].revision or ""
    much = size(sum(each.size or 0 for each in model.latest.weights))
    return (
        f'<p class="small">{link}: {escape(model.description)} At commit '
        f"<code>{escape(revision[:12])}</code>. Its first run downloads {much}.</p>"
    )
