"""The History tab: the store read back. Newest first, live rows move, a row opens beside them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import gradio as gr

from components import history_rows, output_panel, output_views, page_files, wording
from components.house_rules import ALL_SHOWN, QUIET, markup
from components.opening import Opening
from components.output_views import View
from components.watched import version_of
from errors import AtelierError
from predictions.callers import Caller, Visitors
from predictions.prediction import Prediction, Status
from predictions.references import references
from predictions.service import PredictionService
from predictions.store import Filter, Page

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

_SHOW = "(...given) => { atelier.showDetail(); return given; }"
_HIDE = "(...given) => { atelier.hideDetail(); return given; }"
_TO_TOP = "(next) => { scrollTo(0, 0); return next; }"


@dataclass(frozen=True)
class Detail:
    """One prediction as the opened row shows it: whatever is drawn is in here, so that equal means
    nothing to redraw.
    """

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
    def __init__(self, service: PredictionService, opening: Opening, visitors: Visitors) -> None:
        self._service = service
        self._visitors = visitors
        self._opening = opening
        self._position = gr.State()
        self._next = gr.State()
        self._shown = gr.State("")
        self.opened_id = gr.State()
        self._detail = gr.State()
        self.timer = gr.Timer(REFRESH, active=False)
        self._build()
        self._wire()

    def _build(self) -> None:
        states = [("Any state", ANY), *((each.value, each.value) for each in Status)]
        self._first = self._models()
        bare: dict[str, Any] = {"show_label": False, "container": False}
        with gr.Row(elem_id="filters"):
            self._model = gr.Dropdown(
                self._first,
                value=ANY,
                label="model",
                num_choices_shown=ALL_SHOWN,
                min_width=160,
                scale=2,
                elem_id="of-model",
                **bare,
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
            self._totals = markup(elem_id="totals")
        with gr.Row(elem_id="history"):
            with gr.Column(scale=7, min_width=320, elem_id="list"):
                self._rows = markup(js=OPEN_ROW, elem_id="rows")
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
                gr.render(self._detail, [self._detail.change], show_progress="hidden")(
                    self._show_detail
                )

    def _show_detail(self, detail: Detail | None) -> None:
        if detail is None:
            return
        markup(detail.head, elem_classes=["detail-head"])
        output_views.draw(detail.views)
        markup(detail.problem + detail.times)
        markup(detail.inputs, elem_classes=["inputs"])
        if detail.logs:
            # A key of its own keeps the accordion as the reader left it while a live row is
            # drawn again and again.
            with gr.Accordion(
                "logs",
                open=False,
                elem_classes=["quiet"],
                key=detail.id,
                preserved_by_key=["open"],
            ):
                gr.Textbox(
                    detail.logs,
                    show_label=False,
                    container=False,
                    lines=4,
                    max_lines=18,
                    buttons=["copy"],
                    elem_classes=["log"],
                    label="logs",
                    interactive=False,
                )

    def _wire(self) -> None:
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
        self.refresh_inputs = [*filters, self._position, self._shown, self.opened_id]
        opened = [self.opened_id, self._detail, self._drawer]
        for each in (self._model.input, self._status.input, self._search.change):
            each(lambda: None, None, self._position, **QUIET).then(
                self.refresh, self.refresh_inputs, listing, **QUIET
            )
        self._older.click(
            lambda position: position, self._next, self._position, js=_TO_TOP, **QUIET
        ).then(self.refresh, self.refresh_inputs, listing, **QUIET)
        self._newest.click(lambda: None, None, self._position, **QUIET).then(
            self.refresh, self.refresh_inputs, listing, **QUIET
        )
        self.timer.tick(
            self._ticked, [*self.refresh_inputs, self._detail], [*listing, self._detail], **QUIET
        )
        # The row that is opened is marked among the others.
        self._rows.click(self._open_row, None, opened, **QUIET).then(
            self.refresh, self.refresh_inputs, listing, js=_SHOW, **QUIET
        )
        self._close.click(
            lambda: (None, None, gr.update(visible=False)), None, opened, **QUIET
        ).then(self.refresh, self.refresh_inputs, listing, js=_HIDE, **QUIET)

    # --- the list

    def _models(self) -> list[tuple[str, str]]:
        found = self._service.catalog.models()
        return [("All models", ANY), *((each.id, each.id) for each in found)]

    def opens(self, tab: gr.Tab) -> None:
        """What is to be as new as the tab that shows it."""
        tab.select(self._opened, self.refresh_inputs, [*self.listing, self._model], **QUIET)

    async def first(self, request: gr.Request) -> dict[Any, Any]:
        """Updates of `listing` that show the newest of all, where nothing was shown yet."""
        return await self.refresh(request, ANY, ANY, "", None, "")

    async def _opened(self, request: gr.Request, *given: Any) -> dict[Any, Any]:
        """Models come and go while the app runs: those that the page was not built with can be
        chosen, too.
        """
        models = self._models()
        added = {} if models == self._first else {self._model: gr.update(choices=models)}
        return {**await self.refresh(request, *given), **added}

    async def refresh(
        self,
        request: gr.Request,
        model: str,
        status: str,
        search: str,
        position: Any,
        shown: str,
        opened_id: str | None = None,
    ) -> dict[Any, Any]:
        """Updates of `listing`; none where the rows are as they were."""
        chosen = Filter(
            model=None if model == ANY else model,
            status=None if status == ANY else Status(status),
            search=search.strip() or None,
            owner=self._visitors.caller(request.cookies).only,
        )
        anything = chosen == Filter(owner=chosen.owner)
        page = await self._service.list(
            chosen, limit=ROWS, before=tuple(position) if position else None
        )
        rows = self._rows_html(page, opened_id, empty=anything)
        if rows == shown:
            return {self._next: page.next}
        totals = await self._service.totals(chosen)
        return {
            self._rows: rows,
            self._shown: rows,
            self._totals: history_rows.totals_html(totals),
            self._next: page.next,
            self._older: gr.update(visible=page.next is not None),
            self._newest: gr.update(visible=position is not None),
            self._example: gr.update(
                visible=not page.predictions
                and anything
                and self._opening.first_model() is not None
            ),
        }

    def _rows_html(self, page: Page, opened_id: str | None, *, empty: bool) -> str:
        if not page.predictions:
            said = (
                "Nothing has run yet. Whatever runs, here or over HTTP, is kept here."
                if empty
                else "No run is like that."
            )
            return f'<p class="placeholder">{said}</p>'
        now = time.time()
        return "".join(
            history_rows.row_html(each, self._category(each), now, is_opened=each.id == opened_id)
            for each in page.predictions
        )

    def _category(self, prediction: Prediction) -> str:
        try:
            return self._service.catalog.find(prediction.model).category
        except AtelierError:
            return ""

    # --- the opened row

    async def _open_row(self, event: gr.EventData, request: gr.Request) -> tuple[Any, Any, Any]:
        prediction_id = event.prediction
        detail = await self._detail_of(prediction_id, request)
        return prediction_id, detail, gr.update(visible=True)

    async def _ticked(self, request: gr.Request, *given: Any) -> dict[Any, Any]:
        """What has become of the rows and of the one that is opened."""
        *listed, detail = given
        updates = await self.refresh(request, *listed)
        prediction_id = listed[-1]
        if prediction_id is not None and not (detail is not None and detail.terminal):
            newest = await self._detail_of(prediction_id, request)
            if newest != detail:
                updates |= {self._detail: newest}
        return updates

    async def _detail_of(self, prediction_id: str, request: gr.Request) -> Detail | None:
        try:
            caller = self._visitors.caller(request.cookies)
            prediction = await self._service.get(prediction_id, caller)
        except AtelierError as error:
            gr.Warning(wording.message(error))
            return None
        now = time.time()
        found = references(prediction.output) | references(prediction.input)
        files = {each: await page_files.shown(self._service.files, each) for each in found}
        version = version_of(self._service, prediction)
        return Detail(
            id=prediction.id,
            reference=f"{prediction.model}:{prediction.version}",
            terminal=prediction.status.terminal,
            head=history_rows.head_html(prediction, now),
            views=output_views.views(version, prediction.output, files),
            problem=wording.problem_html(prediction.error or ""),
            times=wording.times_html(prediction, now),
            inputs=history_rows.inputs_html(prediction.input, files),
            logs=prediction.logs[-output_panel.LOG_SHOWN :],
        )

    async def use_again(self, prediction_id: str | None, caller: Caller) -> dict[Any, Any]:
        """Updates of the Run tab: the form of that model and version, filled with these inputs."""
        if prediction_id is None:
            return {}
        try:
            prediction = await self._service.get(prediction_id, caller)
        except AtelierError as error:
            gr.Warning(wording.message(error))
            return {}
        return await self._opening.again(prediction)

    async def run_example(self, caller: Caller) -> dict[Any, Any]:
        """Runs the first example there is and shows it in the Run tab."""
        first = self._opening.first_model()
        if first is None:
            return {}
        inputs = dict(first.examples[0].input) if first.examples else {}
        try:
            prediction = await self._service.create(first.id, inputs, source="web", caller=caller)
        except AtelierError:
            # Without an example the form has to be filled by hand: show it.
            return await self._opening.open(first.id, inputs)
        return await self._opening.open(first.id, inputs, prediction.id)

    @property
    def again(self) -> gr.Button:
        return self._again

    @property
    def example(self) -> gr.Button:
        return self._example
