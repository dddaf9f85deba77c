"""The History tab: the store read back. Newest first, live rows move, a row opens beside the list."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from components import facts, output_views, page_files, run_tab, wording
from components.output_views import View, ViewKind
from components.page_files import ShownFile
from errors import AtelierError
from predictions.prediction import Prediction, Status
from predictions.service import PredictionService
from predictions.store import Filter, Page, Totals

ROWS = 50
REFRESH = 1.5
ANY = "any"

OPEN_ROW = """
element.addEventListener('click', (event) => {
    const row = event.target.closest('[data-prediction]');
    if (!row || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    trigger('click', {prediction: row.dataset.prediction});
});
"""


@dataclass(frozen=True)
class Detail:
    """One prediction as the opened row shows it: whatever is drawn is in here, so that equal means nothing to redraw."""

    id: str
    reference: str
    terminal: bool
    head: str
    views: tuple[View, ...]
    problem: str
    times: str
    inputs: str
    logs: str


class HistoryTab:
    def __init__(self, service: PredictionService, run: run_tab.RunTab) -> None:
        self._service = service
        self._run = run
        self._position = gr.State()
        self._next = gr.State()
        self._shown = gr.State("")
        self.opened_id = gr.State()
        self._detail = gr.State()
        self.timer = gr.Timer(REFRESH, active=False)
        self._build()
        self._wire()

    def _build(self) -> None:
        models = [
            ("All models", ANY),
            *((each.id, each.id) for each in self._service.catalog.models()),
        ]
        states = [("Any state", ANY), *((each.value, each.value) for each in Status)]
        bare: dict[str, Any] = {"show_label": False, "container": False}
        with gr.Row(elem_id="filters"):
            self._model = gr.Dropdown(
                models, value=ANY, label="model", min_width=160, scale=2, elem_id="of-model", **bare
            )
            self._status = gr.Dropdown(
                states, value=ANY, label="state", min_width=120, scale=1, elem_id="of-state", **bare
            )
            self._search = gr.Textbox(
                placeholder="Search inputs …",
                label="search",
                min_width=160,
                scale=3,
                elem_id="of-text",
                **bare,
            )
            self._totals = gr.HTML(js_on_load=None, apply_default_css=False, elem_id="totals")
        with gr.Row(elem_id="history"):
            with gr.Column(scale=7, min_width=320, elem_id="list"):
                self._rows = gr.HTML(js_on_load=OPEN_ROW, apply_default_css=False, elem_id="rows")
                self._example = gr.Button(
                    "Run an example", variant="primary", visible=False, elem_id="run-example"
                )
                with gr.Row(elem_id="pages"):
                    self._newest = gr.Button("Newest", size="sm", visible=False)
                    self._older = gr.Button("Older", size="sm", visible=False, elem_id="older")
            with gr.Column(scale=6, min_width=320, visible=False, elem_id="detail") as self._drawer:
                with gr.Row(elem_id="detail-bar"):
                    self._again = gr.Button("Use these inputs again", size="sm", elem_id="again")
                    self._close = gr.Button("Close", size="sm", elem_id="close")
                self._render_detail()

    def _render_detail(self) -> None:
        @gr.render(inputs=[self._detail], show_progress="hidden")
        def show_detail(detail: Detail | None) -> None:
            if detail is None:
                return
            gr.HTML(detail.head, js_on_load=None, apply_default_css=False, elem_classes=["detail-head"])
            output_views.draw(detail.views)
            gr.HTML(detail.problem + detail.times, js_on_load=None, apply_default_css=False)
            gr.HTML(detail.inputs, js_on_load=None, apply_default_css=False, elem_classes=["inputs"])
            if detail.logs:
                # A key of its own keeps the accordion as the reader left it while a live row is drawn again and again.
                with gr.Accordion(
                    "logs",
                    open=False,
                    elem_classes=["quiet"],
                    key=detail.id,
                    preserved_by_key=["open"],
                ):
                    gr.Textbox(
                        detail.logs, show_label=False, container=False, lines=4, max_lines=18, buttons=["copy"],
                        elem_classes=["log"], label="logs", interactive=False,
                    )  # fmt: skip

    def _wire(self) -> None:
        quiet: dict[str, Any] = {
            "show_progress": "hidden",
            "concurrency_limit": None,
            "api_visibility": "private",
        }
        filters = [self._model, self._status, self._search]
        listing = [
            self._rows,
            self._totals,
            self._shown,
            self._next,
            self._older,
            self._newest,
            self._example,
        ]
        self.listing = listing
        self.refresh_inputs = [*filters, self._position, self._shown]
        opened = [self.opened_id, self._detail, self._drawer]
        for each in (self._model.input, self._status.input, self._search.input):
            each(lambda: None, None, self._position, **quiet).then(
                self.refresh, self.refresh_inputs, listing, **quiet
            )
        self._older.click(lambda position: position, self._next, self._position, **quiet).then(
            self.refresh, self.refresh_inputs, listing, **quiet
        )
        self._newest.click(lambda: None, None, self._position, **quiet).then(
            self.refresh, self.refresh_inputs, listing, **quiet
        )
        self.timer.tick(self.refresh, self.refresh_inputs, listing, **quiet)
        self.timer.tick(self._refresh_detail, [self.opened_id, self._detail], self._detail, **quiet)
        self._rows.click(self._open_row, None, opened, **quiet)
        self._close.click(lambda: (None, None, gr.update(visible=False)), None, opened, **quiet)

    # --- the list

    async def refresh(
        self, model: str, status: str, search: str, position: Any, shown: str
    ) -> dict[Any, Any]:
        """Updates of `listing`; none where the rows are as they were."""
        chosen = Filter(
            model=None if model == ANY else model,
            status=None if status == ANY else Status(status),
            search=search.strip() or None,
        )
        page = await self._service.list(
            chosen, limit=ROWS, before=tuple(position) if position else None
        )
        rows = self._rows_html(page, empty=chosen == Filter())
        if rows == shown:
            return {self._next: page.next}
        totals = await self._service.totals(chosen)
        return {
            self._rows: rows,
            self._shown: rows,
            self._totals: totals_html(totals),
            self._next: page.next,
            self._older: gr.update(visible=page.next is not None),
            self._newest: gr.update(visible=position is not None),
            self._example: gr.update(
                visible=not page.predictions
                and chosen == Filter()
                and self._run.first_model() is not None
            ),
        }

    def _rows_html(self, page: Page, *, empty: bool) -> str:
        if not page.predictions:
            said = (
                "Nothing has run yet. Whatever runs, here or over HTTP, is kept here."
                if empty
                else "No run is like that."
            )
            return f'<p class="placeholder">{said}</p>'
        now = time.time()
        return "".join(row_html(each, self._category(each), now) for each in page.predictions)

    def _category(self, prediction: Prediction) -> str:
        try:
            return self._service.catalog.find(prediction.model).category
        except AtelierError:
            return ""

    # --- the opened row

    async def _open_row(self, event: gr.EventData) -> tuple[Any, Any, Any]:
        prediction_id = event.prediction
        return prediction_id, await self._detail_of(prediction_id), gr.update(visible=True)

    async def _refresh_detail(self, prediction_id: str | None, detail: Detail | None) -> Any:
        if prediction_id is None or (detail is not None and detail.terminal):
            return gr.skip()
        newest = await self._detail_of(prediction_id)
        return gr.skip() if newest == detail else newest

    async def _detail_of(self, prediction_id: str) -> Detail | None:
        try:
            prediction = await self._service.get(prediction_id)
        except AtelierError as error:
            gr.Warning(wording.message(error))
            return None
        now = time.time()
        found = page_files.references(prediction.output) | page_files.references(prediction.input)
        files = {each: await page_files.shown(self._service.files, each) for each in found}
        version = run_tab.version_of(self._service, prediction)
        return Detail(
            id=prediction.id,
            reference=f"{prediction.model}:{prediction.version}",
            terminal=prediction.status.terminal,
            head=head_html(prediction, now),
            views=output_views.views(version, prediction.output, files),
            problem=run_tab.problem_html(prediction.error or ""),
            times=wording.times_html(prediction, now),
            inputs=inputs_html(prediction.input, files),
            logs=prediction.logs[-run_tab.LOG_SHOWN :],
        )

    async def use_again(self, prediction_id: str | None) -> dict[Any, Any]:
        """Updates of the Run tab: the form of that model and version, filled with these inputs."""
        if prediction_id is None:
            return {}
        try:
            prediction = await self._service.get(prediction_id)
        except AtelierError as error:
            gr.Warning(wording.message(error))
            return {}
        return await self._run.open(f"{prediction.model}:{prediction.version}", prediction.input)

    async def run_example(self) -> dict[Any, Any]:
        """Runs the first example there is and shows it in the Run tab."""
        first = self._run.first_model()
        if first is None:
            return {}
        model = self._service.catalog.find(first)
        inputs = dict(model.examples[0].input) if model.examples else {}
        try:
            prediction = await self._service.create(first, inputs, source="web")
        except AtelierError:
            # Without an example the form has to be filled by hand: show it.
            return await self._run.open(first, inputs)
        return await self._run.open(first, inputs, prediction.id)

    @property
    def again(self) -> gr.Button:
        return self._again

    @property
    def example(self) -> gr.Button:
        return self._example


def row_html(prediction: Prediction, category: str, now: float) -> str:
    word = wording.state(prediction)
    return (
        f'<a class="row" href="/?prediction={escape(prediction.id)}" data-prediction="{escape(prediction.id)}">'
        f'<span class="thumb" aria-hidden="true">{_thumbnail(prediction, category)}</span>'
        f'<span class="model">{escape(prediction.model.rpartition("/")[2])}</span>'
        f'<span class="words">{escape(first_words(prediction.input))}</span>'
        f'<span class="state" data-state="{word}">{word}</span>'
        f'<span class="figure">{wording.seconds(prediction.predict_time)}</span>'
        f'<span class="figure">{wording.cost(prediction.cost)}</span>'
        f'<span class="age">{wording.age(prediction.created_at, now)}</span></a>'
    )


def _thumbnail(prediction: Prediction, category: str) -> str:
    """The first picture of the output, else a sign of what it is."""
    for file in map(page_files.named, sorted(page_files.references(prediction.output))):
        if output_views.kind_of(file) is ViewKind.IMAGE:
            return f'<img src="{escape(file.url)}" alt="" loading="lazy">'
    return facts.sign(category)


def first_words(inputs: Mapping[str, Any], length: int = 120) -> str:
    """The text that says best what a run was about: the prompt, else the first text, else all of it."""
    texts = [
        str(value)
        for value in (inputs.get("prompt"), inputs.get("text"), *inputs.values())
        if isinstance(value, str)
    ]
    said = (
        texts[0]
        if texts
        else ", ".join(f"{name} {_short(value)}" for name, value in inputs.items())
    )
    return " ".join(said.split())[:length]


def _short(value: Any) -> str:
    if (reference := page_files.reference_of(value)) is not None:
        return page_files.named(reference).name
    return str(value)


def totals_html(totals: Totals) -> str:
    runs = "1 run" if totals.count == 1 else f"{totals.count:,} runs"
    return f'<p class="totals">{runs} · {wording.seconds(totals.predict_time)} compute · {wording.cost(totals.cost)}</p>'


def head_html(prediction: Prediction, now: float) -> str:
    address = f"/?prediction={escape(prediction.id)}"
    return (
        f'<h2><a href="/?model={escape(prediction.model)}">{escape(prediction.model)}</a></h2>'
        f"{wording.status_html(prediction, now)}"
        f'<p class="small">{wording.date(prediction.created_at)} · {escape(prediction.hardware or "not started")} · '
        f'<a href="{address}" class="id">{escape(prediction.id)}</a></p>'
    )


def inputs_html(inputs: Mapping[str, Any], files: Mapping[str, ShownFile]) -> str:
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{_input_html(value, files)}</dd>"
        for name, value in inputs.items()
    )
    return f"<h3>Inputs</h3><dl>{rows}</dl>" if rows else ""


def _input_html(value: Any, files: Mapping[str, ShownFile]) -> str:
    if (reference := page_files.reference_of(value)) is not None:
        file = files.get(reference) or page_files.named(reference)
        if output_views.kind_of(file) is ViewKind.IMAGE:
            return f'<a href="{escape(file.url)}"><img src="{escape(file.url)}" alt="{escape(file.name)}"></a>'
        return output_views.files_html((file,))
    if isinstance(value, (list, tuple)) and page_files.references(value):
        return " ".join(_input_html(each, files) for each in value)
    return escape(value if isinstance(value, str) else output_views.as_json(value))
