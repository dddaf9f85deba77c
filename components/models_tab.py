"""The Models tab: the weights on disk, whose they are, and what may go; and the deployments."""

from __future__ import annotations

import time
from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

from components import wording
from components.consent_panel import licence_html
from components.deploying import ASK_CHANGE, Deploying
from components.deployment_rows import deployments_html
from components.house_rules import QUIET, markup
from components.operator import EVERYBODY, Operator
from errors import AtelierError
from model_registry.consents import Consents, asks_consent
from model_registry.inventory import Held, Inventory
from model_registry.spec import Model
from predictions.callers import Visitors
from predictions.service import PredictionService

REFRESH = 2.0

# A row's button says which repository it is for.
_ASK_REMOVE = """
element.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-repo]');
    if (button) trigger('click', {repo: button.dataset.repo});
});
"""

EMPTY = (
    '<p class="placeholder">No weights on disk. The starters bring their own; any other model '
    "downloads its weights when it is first run.</p>"
)


class ModelsTab:
    def __init__(
        self, service: PredictionService, visitors: Visitors, operator: Operator = EVERYBODY
    ) -> None:
        self._service = service
        self._visitors = visitors
        self._deploys = operator.is_at(None)
        self._chosen = gr.State()
        self._shown = gr.State("")
        self.timer = gr.Timer(REFRESH, active=False)
        with gr.Column(elem_id="weights"):
            self._totals = markup(elem_id="weights-totals")
            with gr.Column(visible=False, elem_id="removal") as self._removal:
                self._question = markup()
                with gr.Row(elem_id="removal-buttons"):
                    self._remove = gr.Button("Remove", variant="stop", elem_id="remove", size="sm")
                    self._keep = gr.Button("Keep", elem_id="keep", size="sm")
            self._rows = markup(js=_ASK_REMOVE, elem_id="weights-rows")
            self._deployments = markup(js=ASK_CHANGE, elem_id="deployments")
            deploying = Deploying(service, operator)
        self.listing = [self._rows, self._deployments, self._totals, self._shown]
        for changed in deploying.wire(self._deployments):
            changed.then(self.refresh, self._shown, self.listing, **QUIET)
        asking = [self._chosen, self._removal, self._question]
        self.timer.tick(self.refresh, self._shown, self.listing, **QUIET)
        self._rows.click(self._ask, None, asking, **QUIET)
        self._keep.click(self._asked_nothing, None, asking, **QUIET)
        self._remove.click(self._removed, self._chosen, asking, **QUIET).then(
            self.refresh, self._shown, self.listing, **QUIET
        )

    @property
    def shown(self) -> gr.State:
        return self._shown

    async def refresh(self, shown: str, request: gr.Request) -> Any:
        """Updates of `listing`; none where it is as it was."""
        found = await self._service.inventory()
        rows = rows_html(
            found, await self._service.last_runs(), self._service.downloads.consents, time.time()
        )
        caller = self._visitors.caller(request.cookies)
        deployments = deployments_html(
            self._service.deployments.list(caller), changeable=self._deploys
        )
        if rows + deployments == shown:
            return gr.skip()
        root = str(self._service.downloads.shelf.cache.root)
        return {
            self._rows: rows,
            self._deployments: deployments,
            self._shown: rows + deployments,
            self._totals: totals_html(found, root),
        }

    async def _ask(self, event: gr.EventData) -> dict[Any, Any]:
        found = await self._service.inventory()
        held = next((each for each in found.held if each.repo == event.repo), None)
        if held is None:
            return self._asked_nothing()
        return {
            self._chosen: held.repo,
            self._removal: gr.update(visible=True),
            self._question: question_html(held),
        }

    def _asked_nothing(self) -> dict[Any, Any]:
        return {self._chosen: None, self._removal: gr.update(visible=False), self._question: ""}

    async def _removed(self, repo: str | None) -> dict[Any, Any]:
        if repo:
            try:
                await self._service.remove_weights(repo)
            except (AtelierError, OSError) as error:
                gr.Warning(str(error))
        return self._asked_nothing()


def totals_html(found: Inventory, root: str) -> str:
    count = len(found.held)
    repositories = "1 repository" if count == 1 else f"{count} repositories"
    free = f"{wording.size(found.free)} of disk left"
    line = f"{wording.size(found.size)} in {repositories} · {free}" if count else free
    others = ""
    if found.others:
        others = (
            f" Other programs keep {wording.size(found.others_size)} there, too; that stays as it "
            "is."
        )
    return (
        f'<h2>Weights on disk</h2><p class="totals">{line}</p>'
        f'<p class="small">In <code>{escape(root)}</code>.{escape(others)}</p>'
    )


def rows_html(
    found: Inventory, last_runs: Mapping[str, float], consents: Consents, now: float
) -> str:
    if not found.held:
        return EMPTY
    return "".join(_row_html(each, last_runs, consents, now) for each in found.held)


def _row_html(held: Held, last_runs: Mapping[str, float], consents: Consents, now: float) -> str:
    runs = [last_runs[model.id] for model in held.models if model.id in last_runs]
    used = f"used {wording.age(max(runs), now)}" if runs else "never used"
    repo = escape(held.repo)
    button = (
        ""
        if held.running
        else f'<button type="button" class="remove" data-repo="{repo}" '
        f'aria-label="Remove {repo}">Remove</button>'
    )
    return (
        f'<div class="held"><span class="name">{repo}</span>'
        f'<span class="users">{_users_html(held.models)}</span>'
        f'<span class="terms">{_terms_html(held.models, consents)}</span>'
        f'<span class="age">{used}</span>'
        f'<span class="figure">{wording.size(held.size)}</span>{button}{_state_html(held)}</div>'
    )


def _users_html(models: tuple[Model, ...]) -> str:
    if not models:
        return "no model needs it any more"
    links = (f'<a href="/?model={escape(m.id)}">{escape(m.id)}</a>' for m in models)
    return "for " + ", ".join(links)


def _terms_html(models: tuple[Model, ...], consents: Consents) -> str:
    said: dict[str, None] = {}
    for model in models:
        if model.licence is None:
            continue
        state = ""
        if asks_consent(model):
            at = consents.given_at(model)
            date = wording.date(at).partition(" ")[0] if at else ""
            state = f" · accepted {date}" if at else " · not accepted yet"
        said[f"{licence_html(model.licence)}{state}"] = None
    return "<br>".join(said) or "–"


def _state_html(held: Held) -> str:
    if held.running is not None:
        percent = 100 * held.running.done // held.running.total if held.running.total else 0
        return (
            f'<span class="state" data-state="loading">downloading · {escape(str(held.running))}'
            f'</span><progress max="100" value="{percent}" aria-label="download">{percent} %'
            "</progress>"
        )
    if held.left:
        return (
            f'<span class="state">{wording.size(held.left)} are still missing; the next run goes '
            "on</span>"
        )
    return ""


def question_html(held: Held) -> str:
    needs = ", ".join(model.id for model in held.models)
    again = f" {needs} will download it again when next run." if needs else ""
    return (
        f"<p>Remove <strong>{escape(held.repo)}</strong> and free {wording.size(held.size)}?"
        f"{escape(again)}</p>"
    )
