"""The Run tab: pick a model, fill its form, run, watch the output form. It only follows; the run itself is the service's."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from components import facts, form, input_fields, output_views, page_files, wording
from components.following import ticking
from components.input_widgets import Upload
from components.output_views import View, ViewKind
from components.page_files import ShownFile
from errors import AtelierError, InvalidInput, NotFound
from model_registry.spec import Version
from predictions.prediction import Prediction, Status
from predictions.service import PredictionService
from workers.messages import FILE

Updates = dict[Any, Any]

LOG_SHOWN = 100_000
"""Characters of log that the page shows: the end, where the reason is."""
LOG_PACE = 0.5
ALL = "all"


class RunTab:
    """Adds the tab's components to the page being built. `opened` says which version's form is shown, filled with what;
    `current` is the id of the prediction that is shown, and following it begins whenever it changes."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service
        self.opened = gr.State()
        self.current = gr.State()
        self._views = gr.State(())
        self.link = gr.Textbox(visible="hidden", elem_id="link", label="link")
        self._build_picker()
        with gr.Row(elem_id="bench"):
            with gr.Column(scale=5, min_width=320, elem_id="form"):
                form_place = gr.Column(elem_id="fields")
                with gr.Row(elem_id="actions"):
                    self._run = gr.Button("Run", variant="primary", elem_id="run")
                    self._cancel = gr.Button(
                        "Cancel", variant="stop", elem_id="cancel", visible=False
                    )
                    self._reset = gr.Button("Reset", elem_id="reset", variant="secondary")
            with gr.Column(scale=7, min_width=320, elem_id="output"):
                self._build_output()
        self._outputs = [
            self._text, self._preview, self._picture, self._views, self._status, self._problem,
            self._logs, self._log_box, self._run, self._cancel, self._placeholder,
        ]  # fmt: skip
        self.following = self.current.change(
            self._follow,
            [self.current],
            self._outputs,
            trigger_mode="multiple",
            show_progress="hidden",
            concurrency_limit=None,
            api_visibility="private",
        )
        self.open_outputs = [
            self.opened,
            self.current,
            self._category,
            self._model,
            self.link,
            *self._outputs,
        ]
        with form_place:
            self._render_form()
        self._wire()

    # --- what is on the page

    def _build_picker(self) -> None:
        categories = [
            ("all kinds", ALL),
            *((each, each) for each in self._service.catalog.categories()),
        ]
        with gr.Row(elem_id="picker"):
            self._category = gr.Dropdown(
                categories, value=ALL, label="category", show_label=False, container=False, filterable=False,
                min_width=120, scale=0, elem_id="category",
            )  # fmt: skip
            self._model = gr.Dropdown(
                self._choices(ALL), value=None, label="model", show_label=False, container=False, elem_id="model",
                min_width=240,
            )  # fmt: skip

    def _build_output(self) -> None:
        self._placeholder = gr.HTML(
            '<p class="placeholder">The output appears here.</p>', js_on_load=None, apply_default_css=False
        )
        self._preview = gr.HTML(visible=False, elem_id="preview", js_on_load=None, apply_default_css=False)
        self._picture = gr.Image(
            visible=False, show_label=False, interactive=False, buttons=["download", "fullscreen"], elem_id="picture",
            elem_classes=["picture"],
        )  # fmt: skip
        self._text = gr.Markdown(
            visible=False,
            line_breaks=True,
            elem_id="text",
            elem_classes=["reading"],
            buttons=["copy"],
        )

        @gr.render(inputs=[self._views], show_progress="hidden")
        def show_views(views: tuple[View, ...]) -> None:
            output_views.draw(views)

        self._status = gr.HTML(visible=False, elem_id="status", js_on_load=None, apply_default_css=False)
        self._problem = gr.HTML(visible=False, elem_id="problem", js_on_load=None, apply_default_css=False)
        with gr.Accordion(
            "logs", open=False, visible=False, elem_id="logs", elem_classes=["quiet"]
        ) as self._logs:
            self._log_box = gr.Textbox(
                show_label=False, container=False, lines=4, max_lines=18, interactive=False, buttons=["copy"],
                elem_classes=["log"], label="logs",
            )  # fmt: skip

    def _render_form(self) -> None:
        @gr.render(inputs=[self.opened], show_progress="hidden")
        def show_form(opened: dict[str, Any] | None) -> None:
            if opened is None:
                return
            try:
                version = self._service.catalog.resolve(opened["reference"])
                model = self._service.catalog.find(version.model)
            except AtelierError as error:
                gr.HTML(problem_html(wording.message(error)), js_on_load=None, apply_default_css=False)
                return
            gr.HTML(facts.model_html(model, version), js_on_load=None, apply_default_css=False, elem_classes=["facts"])
            fields = input_fields.fields(version.schema)
            drawn = form.draw(fields, opened["values"])
            self._draw_examples(opened, model.examples)
            self._wire_run(drawn)

    def _draw_examples(self, opened: dict[str, Any], examples: Sequence[Any]) -> None:
        if not examples:
            return
        with gr.Row(elem_classes=["examples"]):
            gr.Markdown("try", elem_classes=["caption"])
            for example in examples:
                button = gr.Button(example.title, size="sm", elem_classes=["example"])
                filled = fill(opened["reference"], example.input)
                button.click(
                    lambda filled=filled: filled, None, self.opened, concurrency_limit=None, show_progress="hidden",
                    api_visibility="private",
                )  # fmt: skip

    # --- events

    def _wire(self) -> None:
        self._category.input(
            lambda category: gr.update(choices=self._choices(category)),
            self._category, self._model, show_progress="hidden", concurrency_limit=None, api_visibility="private",
        )  # fmt: skip
        self._model.input(
            self._open_chosen, self._model, self.open_outputs, cancels=[self.following], show_progress="hidden",
            concurrency_limit=None, api_visibility="private",
        )  # fmt: skip
        self._reset.click(
            lambda opened: opened and fill(opened["reference"], {}),
            self.opened, self.opened, show_progress="hidden", concurrency_limit=None, api_visibility="private",
        )  # fmt: skip
        self._cancel.click(
            self._cancel_current, self.current, None, show_progress="hidden", concurrency_limit=None,
            api_visibility="private",
        )  # fmt: skip
        self.link.change(
            None, self.link, None, js="(link) => history.replaceState(null, '', link || '/')"
        )

    def _wire_run(self, drawn: list[form.Drawn]) -> None:
        """The form's fields are new with every model, so the button that reads them is wired anew as well."""
        fields = [each.field for each in drawn]

        async def start(opened: dict[str, Any], *raws: Any) -> Updates:
            inputs = form.inputs(fields, raws)
            try:
                stored = {name: await self._store(value) for name, value in inputs.items()}
                prediction = await self._service.create(opened["reference"], stored, source="web")
            except InvalidInput as error:
                return {**form.notes(drawn, error.problems), **self._refused(error, fields)}
            except AtelierError as error:
                return {**form.notes(drawn, ()), **self._refused(error, fields)}
            return {
                **form.notes(drawn, ()),
                **self._blank(),
                self.current: prediction.id,
                self.link: f"/?prediction={prediction.id}",
            }

        self._run.click(
            start,
            [self.opened, *(each.component for each in drawn)],
            [self.current, self.link, *self._outputs, *form.noted(drawn)],
            cancels=[self.following],
            show_progress="hidden",
            concurrency_limit=None,
            api_visibility="private",
        )

    async def open(
        self,
        reference: str,
        values: Mapping[str, Any] | None = None,
        prediction_id: str | None = None,
    ) -> Updates:
        """Updates of `open_outputs` that show a version's form, filled with the inputs, and perhaps a prediction's output."""
        try:
            version = self._service.catalog.resolve(reference)
        except AtelierError as error:
            return {
                **self._blank(),
                **self._said(wording.message(error)),
                self.current: None,
            }
        filled = {
            name: await page_files.local(self._service.files, value)
            for name, value in (values or {}).items()
        }
        return {
            **self._blank(),
            self.opened: fill(reference, filled),
            self.current: prediction_id,
            self._category: ALL,
            self._model: gr.update(choices=self._choices(ALL), value=version.model),
            self.link: f"/?prediction={prediction_id}"
            if prediction_id
            else f"/?model={version.model}",
        }

    async def open_link(self, prediction_id: str | None, model: str | None) -> Updates:
        """What a link names; without one, the model that is shown first."""
        if prediction_id:
            try:
                prediction = await self._service.get(prediction_id)
            except AtelierError as error:
                return self._said(wording.message(error))
            return await self.open(
                f"{prediction.model}:{prediction.version}", prediction.input, prediction.id
            )
        first = model or self.first_model()
        return await self.open(first) if first else self._said(NO_MODELS)

    def first_model(self) -> str | None:
        """A starter with examples if there is one: it runs at once, anywhere."""
        ordered = sorted(
            self._service.catalog.models(),
            key=lambda each: (not each.toy, not each.examples, each.category != "text"),
        )
        return ordered[0].id if ordered else None

    async def _open_chosen(self, chosen: str | None) -> Updates:
        return await self.open(chosen) if chosen else {}

    async def _cancel_current(self, prediction_id: str | None) -> None:
        if prediction_id:
            try:
                await self._service.cancel(prediction_id)
            except AtelierError as error:
                gr.Warning(wording.message(error))

    async def _follow(self, prediction_id: str | None) -> AsyncIterator[Any]:
        """Updates of `_outputs`, only where something changed, until the prediction has ended."""
        if not prediction_id:
            yield gr.skip()
            return
        watched = _Watched(self._service)
        shown: Updates = {}
        try:
            async for prediction in ticking(self._service.follow(prediction_id)):
                face = await self._face(prediction, watched, shown)
                changed = {
                    key: value
                    for key, value in face.items()
                    if key not in shown or shown[key] != value
                }
                shown.update(changed)
                if changed:
                    yield changed
        except NotFound as error:
            yield {**self._blank(), **self._said(wording.message(error))}

    async def _face(self, prediction: Prediction, watched: _Watched, shown: Updates) -> Updates:
        """All that the output side shows of one snapshot."""
        running = not prediction.status.terminal
        version = watched.version_of(prediction)
        views = output_views.views(
            version, prediction.output, await watched.files_of(prediction.output)
        )
        text = views[0].value if _is_one(views, ViewKind.TEXT) else None
        picture = views[0].value.path if _is_one(views, ViewKind.IMAGE) else None
        streams = version is not None and version.streams
        status = wording.status_html(
            prediction, time.time(), counts_tokens=version is not None and version.concatenates
        )
        face: Updates = {
            self._text: gr.update(
                visible=text is not None, value=text, elem_classes=_reading(running and streams)
            ),
            self._picture: gr.update(visible=picture is not None, value=picture),
            self._preview: gr.update(
                visible=prediction.preview is not None, value=_preview_html(prediction.preview)
            ),
            self._views: () if text is not None or picture is not None else views,
            self._status: gr.update(visible=True, value=status),
            self._problem: _problem_update(_failure(prediction)),
            self._run: gr.update(visible=not running),
            self._cancel: gr.update(visible=running),
            self._placeholder: gr.update(visible=False),
        }
        if watched.may_show_log(running):
            label = "logs and traceback" if prediction.error else "logs"
            face[self._logs] = gr.update(visible=bool(prediction.logs), label=label)
            face[self._log_box] = prediction.logs[-LOG_SHOWN:]
        return face

    def _refused(self, error: AtelierError, fields: Sequence[input_fields.Field]) -> Updates:
        """What the output side says when a run was not even created; problems of fields are on the fields."""
        text = wording.message(error)
        if isinstance(error, InvalidInput):
            names = {field.name for field in fields}
            elsewhere = [
                each.message for each in error.problems if each.field.partition(".")[0] not in names
            ]
            text = " ".join(
                ["Some inputs need another look: they are marked in the form.", *elsewhere]
            )
        return {**self._blank(), self.current: None, **self._said(text)}

    def _said(self, text: str) -> Updates:
        """A problem in place of an output."""
        return {self._problem: _problem_update(text), self._placeholder: gr.update(visible=False)}

    def _blank(self) -> Updates:
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
            self._placeholder: gr.update(visible=True),
        }

    # --- files and choices

    async def _store(self, value: Any) -> Any:
        """`value` with uploads kept as files of ours."""
        if isinstance(value, Upload):
            stored = await self._service.files.adopt_upload(value.path, Path(value.path).name)
            return {FILE: stored.id}
        return [await self._store(each) for each in value] if isinstance(value, list) else value

    def _choices(self, category: str) -> list[tuple[str, str]]:
        models = self._service.catalog.models()
        return [(facts.title(each), each.id) for each in models if category in (ALL, each.category)]


NO_MODELS = "There is no model here. Start the app with --models DIR, a folder that holds Cog model folders."


class _Watched:
    """What following one prediction has to remember."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service
        self._files: dict[str, ShownFile] = {}
        self._version: Version | None = None
        self._log_shown = 0.0

    def version_of(self, prediction: Prediction) -> Version | None:
        if self._version is None:
            self._version = version_of(self._service, prediction)
        return self._version

    async def files_of(self, output: Any) -> Mapping[str, ShownFile]:
        for reference in page_files.references(output) - self._files.keys():
            file = await page_files.shown(self._service.files, reference)
            if file.path:
                self._files[reference] = file
        return self._files

    def may_show_log(self, running: bool) -> bool:
        """Logs can be long: less often than the rest, but always at the end."""
        if running and time.monotonic() - self._log_shown < LOG_PACE:
            return False
        self._log_shown = time.monotonic()
        return True


def version_of(service: PredictionService, prediction: Prediction) -> Version | None:
    """The version that a prediction ran, None when the catalog no longer has it."""
    try:
        return service.catalog.resolve(f"{prediction.model}:{prediction.version}")
    except AtelierError:
        return None


def fill(reference: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A form to open. The time makes it new even where nothing else is, so that Reset redraws."""
    return {"reference": reference, "values": dict(values), "at": time.monotonic()}


def problem_html(text: str) -> str:
    return f'<p class="problem" role="alert">{escape(text)}</p>' if text else ""


def _problem_update(text: str) -> Any:
    return gr.update(visible=bool(text), value=problem_html(text))


def _failure(prediction: Prediction) -> str:
    if prediction.error and prediction.status is Status.FAILED:
        hint = (
            "The traceback is in the logs below."
            if prediction.logs
            else "Change the inputs and run again."
        )
        return f"{prediction.error.rstrip('.')}. {hint}"
    return prediction.error or ""


def _preview_html(preview: bytes | None) -> str:
    if preview is None:
        return ""
    encoded = base64.b64encode(preview).decode()
    return f'<img alt="The picture as it forms" src="data:image/jpeg;base64,{encoded}">'


def _reading(streaming: bool) -> list[str]:
    return ["reading", "streaming"] if streaming else ["reading"]


def _is_one(views: tuple[View, ...], kind: ViewKind) -> bool:
    return len(views) == 1 and views[0].kind is kind and not views[0].label
