"""What the History tab writes: rows, totals, and the facts of the opened prediction."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from components import facts, output_views, page_files, wording
from components.output_views import ViewKind
from components.page_files import ShownFile
from predictions.prediction import Prediction
from predictions.references import reference_of, references
from predictions.store import Totals


def row_html(prediction: Prediction, category: str, now: float, *, is_opened: bool = False) -> str:
    word = wording.state(prediction)
    current = ' aria-current="true"' if is_opened else ""
    return (
        f'<a class="row" href="/?prediction={prediction.id}" data-prediction="{prediction.id}"'
        f"{current}>"
        f'<span class="thumb" aria-hidden="true">{_thumbnail(prediction, category)}</span>'
        f'<span class="model">{escape(prediction.model.rpartition("/")[2])}</span>'
        f'<span class="words">{_kind(prediction)}{escape(first_words(prediction.input))}</span>'
        f'<span class="state" data-state="{word}">{word}</span>'
        f'<span class="figure">{escape(wording.seconds(prediction.predict_time))}</span>'
        f'<span class="figure">{escape(wording.cost(prediction.cost))}</span>'
        f'<span class="age">{wording.age(prediction.created_at, now)}</span></a>'
    )


def _kind(prediction: Prediction) -> str:
    """What it is, where it is no prediction."""
    return '<span class="badge">training</span> ' if prediction.is_training else ""


def _thumbnail(prediction: Prediction, category: str) -> str:
    """The first picture of the output, else of the input, else a sign of what it is."""
    found = [*sorted(references(prediction.output)), *sorted(references(prediction.input))]
    for file in map(page_files.named, found):
        if output_views.kind_of(file) is ViewKind.IMAGE:
            return f'<img src="{escape(file.url)}" alt="" loading="lazy">'
    return facts.sign(category)


def first_words(inputs: Mapping[str, Any], length: int = 120) -> str:
    """What says best what a run was about: the prompt, else the files it was given, else the first
    text, else all of it.
    """
    prompts = [inputs[name] for name in ("prompt", "text") if isinstance(inputs.get(name), str)]
    files = [page_files.named(each).name for each in sorted(references(inputs))]
    texts = [value for value in inputs.values() if isinstance(value, str)]
    pairs = ", ".join(f"{name} {value}" for name, value in inputs.items())
    said = next((each for each in (*prompts, ", ".join(files), *texts) if each), pairs)
    return " ".join(said.split())[:length]


def totals_html(totals: Totals) -> str:
    runs = "1 run" if totals.count == 1 else f"{totals.count:,} runs"
    compute, cost = wording.seconds(totals.predict_time), wording.cost(totals.cost)
    return f'<p class="totals">{escape(f"{runs} · {compute} compute · {cost}")}</p>'


def head_html(prediction: Prediction, now: float) -> str:
    address = f"/?prediction={prediction.id}"
    hardware = escape(prediction.hardware or "not started")
    return (
        f'<h2><a href="/?model={escape(prediction.model)}">{escape(prediction.model)}</a></h2>'
        f"{wording.status_html(prediction, now)}"
        f"{_destination(prediction)}"
        f'<p class="small">{wording.date(prediction.created_at)} · {hardware} · '
        f'<a href="{address}" class="id">{escape(prediction.id)}</a></p>'
    )


def _destination(prediction: Prediction) -> str:
    if not prediction.is_training:
        return ""
    if not prediction.destination:
        return '<p class="small">training · for its weights alone</p>'
    name = escape(prediction.destination)
    return f'<p class="small">training · into <a href="/?model={name}">{name}</a></p>'


def inputs_html(inputs: Mapping[str, Any], files: Mapping[str, ShownFile]) -> str:
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{_input_html(value, files)}</dd>"
        for name, value in inputs.items()
    )
    return f"<h3>Inputs</h3><dl>{rows}</dl>" if rows else ""


def _input_html(value: Any, files: Mapping[str, ShownFile]) -> str:
    if (reference := reference_of(value)) is not None:
        file = files.get(reference) or page_files.named(reference)
        if output_views.kind_of(file) is ViewKind.IMAGE:
            address, name = escape(file.url), escape(file.name)
            return f'<a href="{address}"><img src="{address}" alt="{name}"></a>'
        return output_views.files_html((file,))
    if isinstance(value, (list, tuple)) and references(value):
        return " ".join(_input_html(each, files) for each in value)
    return escape(value if isinstance(value, str) else output_views.as_json(value))
