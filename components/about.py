"""What a person reads about a model: its head, and the sheets beside its form: how to call it from
code, its inputs, its examples, its versions, its README.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from html import escape
from typing import Any

import gradio as gr

from components import facts, form, input_fields, output_views, snippets, wording
from components.house_rules import QUIET, markup
from components.input_fields import FILE_KINDS, MISSING, Field
from errors import AtelierError
from model_registry.spec import Example, Model, Version
from predictions.service import PredictionService

# A card says which example it is for.
_OPEN_EXAMPLE = """
element.addEventListener('click', (event) => {
    const card = event.target.closest('[data-example]');
    if (card) trigger('click', {example: Number(card.dataset.example)});
});
"""
SHOWN_MEDIA = 300_000
"""Characters of a `data:` URI up to which an example's picture or sound is shown on its card."""


class About:
    """Adds the head where it is made and the sheets where `draw_sheets` is called, and keeps them
    at the model that `opened` names.
    """

    def __init__(self, service: PredictionService, opened: gr.State) -> None:
        self._service = service
        self._opened = opened
        self._head = markup(elem_id="facts", elem_classes=["facts"])

    def draw_sheets(self) -> None:
        with gr.Tab("API", id="api") as self._api_tab:
            self._api = markup(elem_id="api")
        with gr.Tab("Examples", id="examples"):
            self.examples = markup(js=_OPEN_EXAMPLE, elem_id="examples")
        with gr.Tab("Versions", id="versions"):
            self._versions = markup(elem_id="versions", elem_classes=["versions"])
        with gr.Tab("README", id="readme"):
            self._readme = gr.Markdown(elem_id="readme", elem_classes=["readme"])
        told = [self._head, self._api, self.examples, self._versions, self._readme]
        self._opened.change(self._tell, self._opened, told, **QUIET)

    def call_with(self, model: Model, version: Version, drawn: Sequence[form.Drawn]) -> None:
        """Whenever the calls are looked at, they are those of what the form holds, if anything."""
        fields = [each.field for each in drawn]

        def told(*raws: Any) -> str:
            held = snippets.of_form(fields, form.inputs(fields, raws))
            return _api_html(model, version, held or snippets.of_example(model, version))

        self._api_tab.select(told, [each.component for each in drawn], self._api, **QUIET)

    def _tell(self, opened: dict[str, Any] | None) -> dict[Any, Any]:
        """Looks at the disk."""
        if opened is None:
            return {}
        try:
            version = self._service.catalog.resolve(opened["reference"])
            model = self._service.catalog.find(version.model)
        except AtelierError as error:
            return {self._head: wording.problem_html(wording.message(error))}
        return {
            self._head: facts.model_html(
                model,
                version,
                self._service.pool.is_warm(version.id),
                facts.weights_words(version, self._service.downloads),
            ),
            self._api: _api_html(model, version, snippets.of_example(model, version)),
            self.examples: examples_html(model.examples),
            self._versions: versions_html(model, version),
            self._readme: model.readme or "It has no README.",
        }


def _api_html(model: Model, version: Version, inputs: Mapping[str, Any]) -> str:
    return snippets.snippets_html(model, version, inputs) + schema_html(version)


def schema_html(version: Version) -> str:
    """The inputs as a table, and where the whole document is."""
    properties = version.input_schema.get("properties", {})
    rows = "".join(
        _input_row(each, input_fields.resolve(properties.get(each.name), version.schema))
        for each in input_fields.fields(version.schema)
    )
    table = (
        '<div class="wide" tabindex="0"><table class="schema"><thead><tr><th>Input</th>'
        "<th>Type</th><th>Default</th><th>What it is</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )
    whole = (
        '<p class="small">The whole schema: <a href="/v1/models/'
        f'{escape(version.model)}/versions/{version.id}">{snippets.HERE}/v1/models/{escape(version.model)}'
        f'/versions/{version.id[:8]}…</a> · all endpoints: <a href="/v1/docs">/v1/docs</a></p>'
    )
    none = '<p class="small">It takes none.</p>'
    return f"<h2>Inputs</h2>{table if rows else none}{whole}"


def _input_row(field: Field, schema: Mapping[str, Any]) -> str:
    kind = "file" if field.kind in FILE_KINDS else schema.get("type", "any")
    default = "–" if field.default is MISSING else json.dumps(field.default, ensure_ascii=False)
    bounds = [
        f"{word} {value:g}"
        for word, value in (("from", field.minimum), ("to", field.maximum))
        if value is not None
    ]
    choices = ", ".join(map(str, field.choices))
    said = " · ".join(part for part in (field.description, " ".join(bounds), choices) if part)
    required = " *" if field.required else ""
    return (
        f"<tr><th>{escape(field.name)}{required}</th><td>{escape(str(kind))}</td>"
        f"<td><code>{escape(default)}</code></td><td>{escape(said)}</td></tr>"
    )


def examples_html(examples: Sequence[Example]) -> str:
    """A card for each, that fills the form when it is pressed."""
    if not examples:
        return '<p class="small">It has no examples.</p>'
    cards = "".join(
        f'<button type="button" class="sample" data-example="{at}">'
        f"<strong>{escape(example.title)}</strong><dl>"
        + "".join(
            f"<dt>{escape(name)}</dt><dd>{_value_html(value)}</dd>"
            for name, value in example.input.items()
        )
        + "</dl></button>"
        for at, example in enumerate(examples)
    )
    return f'<div class="samples">{cards}</div>'


def _value_html(value: Any) -> str:
    if isinstance(value, str) and value.startswith("data:"):
        kind = value[len("data:") :].partition(";")[0]
        if kind.startswith("image/") and len(value) <= SHOWN_MEDIA:
            return f'<img src="{escape(value)}" alt="{escape(kind)}">'
        return escape(kind)
    return escape(value if isinstance(value, str) else output_views.as_json(value))


def versions_html(model: Model, version: Version) -> str:
    """Each version with the reference that pins it; the one that is shown is marked."""
    rows = []
    for each in model.versions:
        day = datetime.fromtimestamp(each.created_at, timezone.utc).date().isoformat()
        shown = " · shown here" if each.id == version.id else ""
        if each.origin:
            shown += f' · <a href="/?prediction={escape(each.origin.training)}">trained</a>'
            shown += f" from {escape(each.origin.parent[:-52])}"
        reference = f"{escape(model.id)}:{each.id}"
        rows.append(
            f'<li><a href="/?model={reference}"><code>{reference}</code></a>'
            f"<small>{day}{shown}</small></li>"
        )
    return f"<ul>{''.join(rows)}</ul>"
