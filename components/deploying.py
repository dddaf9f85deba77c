"""The forms by which the operator makes, changes and deletes deployments at the page."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr
from gradio.events import Dependency

from components import facts, wording
from components.house_rules import QUIET, line_html, markup
from components.operator import ONLY_THE_OPERATOR, Operator
from errors import AtelierError
from predictions.callers import EVERYBODY
from predictions.deployments import (
    FEWEST_LIMIT,
    MOST_LIMIT,
    Deployment,
    no_name,
    no_span,
    sku,
)
from predictions.service import PredictionService

Updates = dict[Any, Any]

# A row's button says which deployment it is for.
ASK_CHANGE = """
element.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-deployment]');
    if (button) trigger('click', {deployment: button.dataset.deployment});
});
"""


class Deploying:
    """Adds the forms to the page being built; nothing where nobody at the page is the operator."""

    def __init__(self, service: PredictionService, operator: Operator) -> None:
        self._service = service
        self._operator = operator
        self._is_shown = operator.is_at(None)
        if self._is_shown:
            self._build_change()
            self._build_new()

    def _build_change(self) -> None:
        self._chosen = gr.State()
        with gr.Column(visible=False, elem_id="redeployment") as self._panel:
            self._question = markup()
            self._new_fewest, self._new_most = _span()
            self._newest = gr.Checkbox(label="Run the newest version of its model from now on")
            self._problem = markup()
            with gr.Row(elem_classes=["buttons"]):
                self._save = gr.Button("Save", variant="primary", size="sm", elem_id="redeploy")
                self._delete = gr.Button("Delete", variant="stop", size="sm", elem_id="undeploy")
                self._keep = gr.Button("Keep as it is", size="sm")

    def _build_new(self) -> None:
        with gr.Accordion(
            "Deploy a model", open=False, elem_id="deploy-model", elem_classes=["quiet", "adds"]
        ) as self._new:
            with gr.Column():
                self._model = gr.Dropdown(
                    facts.choices(self._service.catalog.models()),
                    value=None,
                    label="Model",
                    elem_id="deployed-model",
                    elem_classes=["field"],
                )
                self._name = gr.Textbox(label="Name", placeholder="my-app")
            self._fewest, self._most = _span()
            self._deploy = gr.Button("Deploy", variant="primary", size="md", elem_id="deploy")
            self._told = markup(elem_id="deployed")

    def wire(self, rows: gr.HTML) -> Sequence[Dependency]:
        """What may change the list in `rows`, whose buttons open the panel of one deployment."""
        if not self._is_shown:
            return ()
        panel = [
            self._chosen,
            self._panel,
            self._question,
            self._new_fewest,
            self._new_most,
            self._newest,
            self._problem,
        ]
        changes = [self._chosen, self._new_fewest, self._new_most, self._newest]
        # Models come and go while the app runs.
        self._new.expand(
            lambda: gr.update(choices=facts.choices(self._service.catalog.models())),
            None,
            self._model,
            **QUIET,
        )
        rows.click(self._ask, None, panel, **QUIET)
        self._keep.click(self._closed, None, panel, **QUIET)
        return (
            self._save.click(self._change, changes, panel, **QUIET),
            self._delete.click(self._gone, self._chosen, panel, **QUIET),
            self._deploy.click(
                self._made,
                [self._model, self._name, self._fewest, self._most],
                [self._told, self._name],
                **QUIET,
            ),
        )

    async def _made(
        self,
        model: str | None,
        name: str,
        fewest: float,
        most: float,
        request: gr.Request | None = None,
    ) -> Updates:
        owner, name = EVERYBODY.name, name.strip()
        problem = self._refused(request) or ("" if model else "Choose the model that it is to run.")
        problem = problem or no_name(name) or no_span(int(fewest), int(most))
        if problem or model is None:
            return {self._told: line_html(problem, "problem")}
        try:
            if fewest:
                await self._check_weights(model)
            made = await self._service.deployments.create(
                owner, name, model, self._hardware(), int(fewest), int(most)
            )
        except AtelierError as error:
            return {self._told: line_html(wording.message(error), "problem")}
        return {self._told: made_html(made), self._name: ""}

    async def _check_weights(self, reference: str) -> None:
        """Raises what would keep the instances from being loaded."""
        version = await self._service.catalog.fresh(reference)
        model = self._service.catalog.find(version.model)
        await asyncio.to_thread(self._service.downloads.check, model, version)

    async def _ask(self, event: gr.EventData) -> Updates:
        try:
            found = self._find(event.deployment)
        except AtelierError as error:
            gr.Warning(wording.message(error))
            return self._closed()
        return {
            self._chosen: found.id,
            self._panel: gr.update(visible=True),
            self._question: f"<h3>Change {escape(found.id)}</h3>",
            self._new_fewest: found.fewest,
            self._new_most: found.most,
            self._newest: gr.update(value=False, visible=self._newer(found) is not None),
            self._problem: "",
        }

    async def _change(
        self,
        chosen: str,
        fewest: float,
        most: float,
        newest: bool,
        request: gr.Request | None = None,
    ) -> Updates:
        if problem := self._refused(request) or no_span(int(fewest), int(most)):
            return {self._problem: line_html(problem, "problem")}
        try:
            found = self._find(chosen)
            version = self._newer(found) if newest else None
            await self._service.deployments.update(
                found, version=version, fewest=int(fewest), most=int(most)
            )
        except AtelierError as error:
            return {self._problem: line_html(wording.message(error), "problem")}
        return self._closed()

    async def _gone(self, chosen: str, request: gr.Request | None = None) -> Updates:
        if problem := self._refused(request):
            return {self._problem: line_html(problem, "problem")}
        try:
            await self._service.deployments.delete(self._find(chosen))
        except AtelierError as error:
            gr.Warning(wording.message(error))
        return self._closed()

    def _closed(self) -> Updates:
        return {self._chosen: None, self._panel: gr.update(visible=False)}

    def _refused(self, request: gr.Request | None) -> str:
        return "" if self._operator.is_at(request) else ONLY_THE_OPERATOR

    def _find(self, chosen: str) -> Deployment:
        owner, _, name = chosen.partition("/")
        return self._service.deployments.get(owner, name)

    def _newer(self, found: Deployment) -> str | None:
        """The newest version of its model, None where it runs that already."""
        try:
            latest = self._service.catalog.find(found.model).latest.id
        except AtelierError:
            return None
        return latest if latest != found.version else None

    def _hardware(self) -> str:
        return sku(self._service.pool.devices[0].hardware)


def _span() -> tuple[gr.Slider, gr.Slider]:
    """How many instances there are at least, and at most."""
    with gr.Row(elem_classes=["span"]):
        fewest = gr.Slider(
            0,
            FEWEST_LIMIT,
            0,
            step=1,
            label="min_instances",
            info="Kept loaded, also while nobody calls",
            buttons=[],
            elem_classes=["field"],
        )
        most = gr.Slider(
            0,
            MOST_LIMIT,
            1,
            step=1,
            label="max_instances",
            info="Loaded while there is much to do; with 0 it takes no predictions",
            buttons=[],
            elem_classes=["field"],
        )
    return fewest, most


def made_html(made: Deployment) -> str:
    return (
        f'<p class="small">{escape(made.id)} runs {escape(made.model)}. It is called with '
        f"<code>POST /v1/deployments/{escape(made.id)}/predictions</code>.</p>"
    )
