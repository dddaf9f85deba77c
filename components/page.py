"""The page: a header and four tabs over one prediction service. Nothing here runs a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from components import drawing_at_once
from components.add_model import AddModel
from components.explore_tab import ExploreTab
from components.history_tab import HistoryTab
from components.house_rules import QUIET, markup
from components.models_tab import ModelsTab
from components.operator import EVERYBODY, Operator
from components.push_model import PushModel
from components.run_tab import RunTab
from components.theme import theme
from predictions.callers import ANYBODY, Visitors
from predictions.service import PredictionService

HERE = Path(__file__).parent
CSS = HERE / "atelier.css"
SCRIPT = HERE / "atelier.js"

# Gradio keeps uploads, and links to outputs, in a folder of its own; they leave it after a day.
CACHE_CHECK, CACHE_AGE = 3600, 86400

LOOK_EVERY = 0.02
"""Seconds between two looks of Gradio's for a button that was pressed."""


OTHERS = ("explore", "history", "models")
"""The tabs that a link can open besides Run."""


def build(
    service: PredictionService, visitors: Visitors, operator: Operator = EVERYBODY
) -> gr.Blocks:
    """The page over `service`, ready to be mounted."""
    page = gr.Blocks(
        title="Atelier",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(CACHE_CHECK, CACHE_AGE),
    )
    with page:
        with gr.Row(elem_id="header"):
            markup('<h1><a class="brand" href="/">Atelier</a></h1>')
            dark = gr.Button("◐", elem_id="dark", variant="secondary", size="sm")
        with gr.Tabs(elem_id="tabs", selected="run") as tabs:
            with gr.Tab("Explore", id="explore") as explore_tab:
                explore = ExploreTab(service, operator)
            with gr.Tab("Run", id="run") as run_tab:
                run = RunTab(service, visitors)
            with gr.Tab("History", id="history") as history_tab:
                history = HistoryTab(service, run.opening, visitors)
            with gr.Tab("Models", id="models") as models_tab:
                PushModel(service, operator)
                AddModel(service, operator)
                weights = ModelsTab(service, visitors, operator)
        dark.click(None, None, None, js="() => atelier.toggleDark()")
        _wire(page, tabs, explore, run, history, visitors)
        # Models come and go while the app runs.
        page.load(explore.news, None, explore.cards, **QUIET)
        timers = [history.timer, weights.timer]
        for tab, name, timer in (
            (explore_tab, "explore", None),
            (history_tab, "history", history.timer),
            (models_tab, "models", weights.timer),
            (run_tab, "", None),
        ):
            shown = [each is timer for each in timers]
            tab.select(None, run.link, timers, js=_shown_js(name, shown))
        explore_tab.select(explore.found, explore.asked, explore.cards, **QUIET)
        history.opens(history_tab)
        models_tab.select(weights.refresh, weights.shown, weights.listing, **QUIET)
    drawing_at_once.allow(page)
    return page


def _shown_js(name: str, active: Sequence[bool]) -> str:
    """What the browser does by itself when a tab is shown. Each has an address, so that going back
    and loading again lead to it; Run has that of what it shows. Only what is seen keeps itself new.
    """
    address = f"'/?tab={name}'" if name else "link"
    timers = ", ".join(f"{{__type__: 'update', active: {json.dumps(each)}}}" for each in active)
    return f"(link) => {{ atelier.go({address}); return [{timers}]; }}"


def _wire(
    page: gr.Blocks,
    tabs: gr.Tabs,
    explore: ExploreTab,
    run: RunTab,
    history: HistoryTab,
    visitors: Visitors,
) -> None:
    """What leads from one tab to another, and what a link opens."""
    shows_run = [tabs, *run.opening.outputs]

    async def follow_link(request: gr.Request) -> dict[Any, Any]:
        prediction_id = request.query_params.get("prediction")
        model = request.query_params.get("model")
        tab = request.query_params.get("tab")
        updates = await run.opening.follow(prediction_id, model, visitors.caller(request.cookies))
        if prediction_id or model:
            return {**updates, tabs: gr.update(selected="run")}
        # Run is open already; whoever has clicked on another tab meanwhile stays there.
        opened = {tabs: gr.update(selected=tab)} if tab in OTHERS else {}
        if tab == "history":  # or it would wait until the form is drawn that nobody sees
            opened |= await history.first(request)
        return {**updates, run.link: "", **opened}

    async def open_card(event: gr.EventData) -> dict[Any, Any]:
        return {**await run.opening.open(event.model), tabs: gr.update(selected="run")}

    async def use_again(request: gr.Request, prediction_id: str | None) -> dict[Any, Any]:
        caller = visitors.caller(request.cookies)
        return {**await history.use_again(prediction_id, caller), tabs: gr.update(selected="run")}

    async def run_example(request: gr.Request) -> dict[Any, Any]:
        caller = visitors.caller(request.cookies)
        return {**await history.run_example(caller), tabs: gr.update(selected="run")}

    page.load(follow_link, None, [*shows_run, *history.listing], **QUIET)
    explore.cards.click(open_card, None, shows_run, cancels=[run.following], **QUIET)
    history.again.click(use_again, history.opened_id, shows_run, cancels=[run.following], **QUIET)
    history.example.click(run_example, None, shows_run, cancels=[run.following], **QUIET)


def mount(
    app: Any,
    service: PredictionService,
    allowed_paths: Sequence[str] = (),
    visitors: Visitors = ANYBODY,
    operator: Operator = EVERYBODY,
) -> Any:
    """The FastAPI `app` with the page at its root, beside whatever routes it has already."""
    page = build(service, visitors, operator)
    # By itself Gradio looks a thousand times a second, visited or not.
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = LOOK_EVERY
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=theme(),
        css_paths=[CSS],
        js=SCRIPT.read_text(encoding="utf-8"),
        allowed_paths=list(allowed_paths),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        show_error=True,
        max_file_size=service.files.limit,
    )
