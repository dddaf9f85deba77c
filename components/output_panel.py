"""The output side of a run: what a prediction has made so far, how far it is, what went wrong."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr

from components import output_views, send_on, wording
from components.consent_panel import ConsentPanel
from components.cover import cover_html, has_picture
from components.following import ticking
from components.house_rules import markup
from components.output_views import View, ViewKind
from components.page_files import ShownFile
from components.watched import Watched
from errors import NotFound
from model_registry.spec import Model
from predictions.prediction import Prediction, Status
from predictions.references import references
from predictions.service import PredictionService

Updates = dict[Any, Any]

LOG_SHOWN = 100_000
"""Characters of log that the page shows: the end, where the reason is."""

COMPARED = ("editing", "restoration")
"""Categories whose pictures are shown beside those that they were made of."""
NOTHING_YET = '<p class="placeholder">The output appears here.</p>'
MADE = "Made by this model. Press Run for yours."
DRAWN = "The output takes the place of this drawing."
WAITING = '<p class="placeholder waiting"></p>'
"""Keeps the place of an output that is being made."""
NOTHING_MADE = '<p class="placeholder nothing">The run ended well and gave no output.</p>'


class OutputPanel:
    """Adds the panel to the page being built. `run` gives way to `cancel` while something runs."""

    def __init__(self, service: PredictionService, run: gr.Button, cancel: gr.Button) -> None:
        self._service = service
        self._run = run
        self.consent = ConsentPanel(service)
        self._cancel = cancel
        self._views = gr.State(())
        self._build()
        self.outputs = [
            self._text,
            self._preview,
            self._picture,
            self._views,
            self._status,
            self._problem,
            self._logs,
            self._log_box,
            self._run,
            self._cancel,
            self._placeholder,
            self._save,
            self.send,
            self._share,
            *self.consent.outputs,
        ]

    def _build(self) -> None:
        self._placeholder = markup(NOTHING_YET)
        self._preview = markup(visible=False, elem_id="preview")
        self._picture = gr.Image(
            visible=False,
            show_label=False,
            interactive=False,
            buttons=["download", "fullscreen"],
            elem_id="picture",
            elem_classes=["picture"],
        )
        self._text = gr.Markdown(
            visible=False,
            line_breaks=True,
            elem_id="text",
            elem_classes=["reading"],
            buttons=["copy"],
        )

        gr.render(self._views, [self._views.change], show_progress="hidden")(output_views.draw)

        with gr.Row(elem_id="outcome"):
            self._status = markup(visible=False, elem_id="status")
            self._save = markup(visible=False, elem_id="save")
            self.send = gr.Dropdown(
                [send_on.NOWHERE],
                value="",
                label="send to",
                show_label=False,
                container=False,
                filterable=False,
                visible=False,
                elem_id="send",
            )
            self._share = gr.Button("Copy link", size="sm", visible=False, elem_id="share")
        self._share.click(None, None, None, js="() => atelier.copyLink()")
        self._problem = markup(visible=False, elem_id="problem")
        with gr.Accordion(
            "logs", open=False, visible=False, elem_id="logs", elem_classes=["quiet"]
        ) as self._logs:
            self._log_box = gr.Textbox(
                show_label=False,
                container=False,
                lines=4,
                max_lines=18,
                interactive=False,
                buttons=["copy"],
                elem_classes=["log"],
                label="logs",
            )

    async def follow(self, prediction_id: str | None) -> AsyncIterator[Any]:
        """Updates of `outputs`, only where something changed, until the prediction has ended."""
        if not prediction_id:
            yield gr.skip()
            return
        watched = Watched(self._service)
        shown: Updates = {}
        try:
            async with aclosing(ticking(self._service.follow(prediction_id))) as snapshots:
                async for prediction in snapshots:
                    face = await self._face(prediction, watched)
                    changed = {key: face[key] for key in face if shown.get(key) != face[key]}
                    shown.update(changed)
                    if changed:
                        # What a page that is still loading has missed, the next update mends.
                        yield {
                            self._run: face[self._run],
                            self._cancel: face[self._cancel],
                        } | changed
        except NotFound as error:
            yield {**self.blank(), **self.said(wording.message(error))}

    def _is_compared(self, prediction: Prediction) -> bool:
        """Whether what matters is what became of a picture."""
        try:
            return self._service.catalog.find(prediction.model).category in COMPARED
        except NotFound:
            return False

    async def _face(self, prediction: Prediction, watched: Watched) -> Updates:
        """All that the output side shows of one snapshot."""
        running = not prediction.status.terminal
        version = watched.version_of(prediction)
        files = await watched.files_of(prediction.output)
        views = output_views.views(version, prediction.output, files)
        made = [files[each] for each in references(prediction.output) if each in files]
        if not running and not prediction.is_training and self._is_compared(prediction):
            given = await watched.files_of(prediction.input)
            views = output_views.compared(views, prediction.input, given)
        text = views[0].value if _is_one(views, ViewKind.TEXT) else None
        picture = views[0].value.path if _is_one(views, ViewKind.IMAGE) else None
        streams = version is not None and version.streams
        status = wording.status_html(
            prediction, time.time(), counts_tokens=version is not None and version.concatenates
        )
        face: Updates = {
            self._text: gr.update(
                visible=text is not None,
                value=text,
                elem_classes=watched.text_classes(running and streams),
            ),
            self._picture: gr.update(visible=picture is not None, value=picture),
            self._preview: gr.update(
                visible=prediction.preview is not None, value=_preview_html(prediction.preview)
            ),
            self._views: () if text is not None or picture is not None else views,
            self._status: gr.update(visible=True, value=status),
            self._problem: _problem_update(wording.failure(prediction)),
            self._run: gr.update(visible=not running),
            self._cancel: gr.update(visible=running),
            self._placeholder: self._place_of(prediction, bool(views)),
            **await self._leads_on(made if not running else []),
            self._share: gr.update(visible=True),
        }
        if watched.may_show_log(running):
            label = "logs and traceback" if wording.has_traceback(prediction) else "logs"
            face[self._logs] = gr.update(visible=bool(prediction.logs), label=label)
            face[self._log_box] = prediction.logs[-LOG_SHOWN:]
        return face

    def _place_of(self, prediction: Prediction, has_output: bool) -> Any:
        """What stands where an output will be, or would have been."""
        waits = not prediction.status.terminal and prediction.preview is None
        ended_well = prediction.status is Status.SUCCEEDED
        return gr.update(
            visible=(waits or ended_well) and not has_output,
            value=NOTHING_MADE if ended_well else WAITING,
        )

    async def _leads_on(self, made: Sequence[ShownFile]) -> Updates:
        """What to do with the one file that was made. Of several, each has its own way to be
        saved.
        """
        if len(made) != 1:
            return {self._save: gr.update(visible=False), self.send: gr.update(visible=False)}
        models = self._service.catalog.models()
        kind = output_views.kind_of(made[0])
        takers = await asyncio.to_thread(send_on.choices, models, kind)
        return {
            self._save: gr.update(visible=True, value=output_views.save_html(made[0])),
            self.send: gr.update(visible=len(takers) > 1, choices=takers, value=""),
        }

    def invites(self, model: Model) -> Updates:
        """The output side of a form that nobody has run: what the model makes."""
        said = MADE if has_picture(model) else DRAWN
        html = f'<div class="placeholder">{cover_html(model)}<p>{said}</p></div>'
        return {**self.blank(), self._placeholder: gr.update(visible=True, value=html)}

    def said(self, text: str) -> Updates:
        """A problem in place of an output."""
        return {self._problem: _problem_update(text), self._placeholder: gr.update(visible=False)}

    def blank(self) -> Updates:
        """The output side with nothing on it."""
        hidden = gr.update(visible=False, value=None)
        return {
            self._text: hidden,
            self._preview: hidden,
            self._picture: hidden,
            self._views: (),
            self._status: hidden,
            self._problem: hidden,
            self._logs: gr.update(visible=False),
            self._log_box: "",
            self._run: gr.update(visible=True),
            self._cancel: gr.update(visible=False),
            self._placeholder: gr.update(visible=True, value=NOTHING_YET),
            self._save: hidden,
            self.send: gr.update(visible=False),
            self._share: gr.update(visible=False),
            **self.consent.blank(),
        }

    def waits(self) -> Updates:
        """The output side before the first word about what was just started."""
        return {**self.blank(), self._placeholder: gr.update(visible=True, value=WAITING)}

    def asks_consent(self, name: str) -> Updates:
        """A licence to accept, in place of an output."""
        return {self._placeholder: gr.update(visible=False), **self.consent.ask(name)}


def _problem_update(text: str) -> Any:
    return gr.update(visible=bool(text), value=wording.problem_html(text))


def _preview_html(preview: bytes | None) -> str:
    if preview is None:
        return ""
    encoded = base64.b64encode(preview).decode()
    return f'<img alt="The picture as it forms" src="data:image/jpeg;base64,{encoded}">'


def _is_one(views: tuple[View, ...], kind: ViewKind) -> bool:
    return len(views) == 1 and views[0].kind is kind and not views[0].label
