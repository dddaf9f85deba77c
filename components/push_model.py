"""The form that makes a version of a model of a folder, a zip or a git repository."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import escape
from typing import Any

import gradio as gr

from components.house_rules import QUIET, line_html, markup
from components.operator import ONLY_THE_OPERATOR, Operator
from errors import AtelierError
from model_registry.spec import Model
from predictions.service import PredictionService

Updates = dict[Any, Any]


class PushModel:
    """Adds the form to the page being built; nothing where no model may be pushed."""

    def __init__(self, service: PredictionService, operator: Operator) -> None:
        self._service = service
        self._operator = operator
        if service.catalog.published is None or not operator.is_at(None):
            return
        with gr.Accordion(
            "Add a model: a folder, a zip or a git repository",
            open=False,
            elem_id="push-model",
            elem_classes=["quiet", "adds"],
        ):
            with gr.Row():
                self._source = gr.Textbox(
                    label="Folder on this machine, or https address of a git repository",
                    placeholder="/path/to/model, or https://host/owner/repo#branch:folder",
                    scale=3,
                )
                self._name = gr.Textbox(label="Name", placeholder="owner/name", scale=2)
            with gr.Column(elem_classes=["captioned"]):
                gr.Markdown("**or a zip of the folder**", elem_classes=["caption"])
                self._zip = gr.File(
                    label="zip of the folder",
                    show_label=False,
                    file_types=[".zip"],
                    height=120,
                    elem_id="push-zip",
                )
            self._button = gr.Button("Push", variant="primary", size="md", elem_id="push")
            self._told = markup(elem_id="pushed")
        given = [self._source, self._zip, self._name]
        for event in (self._button.click, self._name.submit):
            event(self._pushed, given, [self._told, self._source, self._zip], **QUIET)

    async def _pushed(
        self, source: str, zip_file: str | None, name: str, request: gr.Request | None = None
    ) -> AsyncIterator[Updates]:
        """What is told meanwhile, and then what came of it."""
        source, name = source.strip(), name.strip()
        if problem := self._problem(source, zip_file, name, request):
            yield {self._told: line_html(problem, "problem")}
            return
        yield {self._told: line_html(f"Copying and reading what is to be {name} …")}
        try:
            model, is_new = await self._service.publishing.push(zip_file or source, name)
        except (AtelierError, OSError) as error:
            yield {self._told: line_html(str(error), "problem")}
            return
        yield {self._told: pushed_html(model, is_new), self._source: "", self._zip: None}

    def _problem(
        self, source: str, zip_file: str | None, name: str, request: gr.Request | None
    ) -> str:
        if not self._operator.is_at(request):
            return ONLY_THE_OPERATOR
        if not source and not zip_file:
            return "Write a folder or an address, or choose a zip."
        if source and zip_file:
            return "There is both a zip and something written beside it. Take one of them away."
        return "" if name else "Write what it is to be called: owner/name."


def pushed_html(model: Model, is_new: bool) -> str:
    link = f'<a href="/?model={escape(model.id)}">{escape(model.id)}</a>'
    version = f"<code>{model.latest.id[:12]}</code>"
    said = f"has a new version, {version}" if is_new else f"has had this version already: {version}"
    older = len(model.versions) - 1
    beside = f" Beside it {older} older one{'s' if older > 1 else ''} can be run." if older else ""
    warnings = "".join(line_html(each) for each in model.warnings)
    return f'<p class="small">{link} {said}.{beside}</p>{warnings}'
