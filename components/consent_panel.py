"""What a person sees and accepts, once, before a model with conditions downloads its weights."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from components import facts, wording
from components.house_rules import QUIET, markup
from errors import AtelierError
from model_registry.downloads import Downloads
from model_registry.shelf import Extent
from model_registry.spec import Licence, Model, Version
from predictions.service import PredictionService

Updates = dict[Any, Any]

# The inputs are still in the form: accepting runs what was about to run.
_RUN = "() => document.getElementById('run').click()"


class ConsentPanel:
    """Adds the panel, hidden, to the page being built."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service
        self._model = gr.State()
        with gr.Column(visible=False, elem_id="consent") as self._place:
            self._words = markup()
            self._accept = gr.Button("Accept and run", variant="primary", elem_id="accept")
        self.outputs = [self._model, self._place, self._words]
        self._accept.click(self._given, self._model, self.outputs, **QUIET).then(
            None, None, None, js=_RUN
        )

    def ask(self, name: str) -> Updates:
        """The panel for the model called so. Looks at the disk."""
        model = self._service.catalog.find(name)
        words = consent_html(model, model.latest, self._service.downloads)
        return {self._model: name, self._place: gr.update(visible=True), self._words: words}

    def blank(self) -> Updates:
        return {self._model: None, self._place: gr.update(visible=False), self._words: ""}

    def _given(self, name: str | None) -> Updates:
        if name:
            try:
                self._service.downloads.consents.give(self._service.catalog.find(name))
            except (AtelierError, OSError) as error:
                gr.Warning(str(error))
        return self.blank()


def consent_html(model: Model, version: Version, downloads: Downloads) -> str:
    licence = model.licence or Licence("unknown")
    extent, free = downloads.extent(version), downloads.shelf.cache.free()
    repos = dict.fromkeys(each.repo for each in version.weights)
    rows = {
        "licence": licence_html(licence),
        "download": escape(download_words(extent)),
        "disk left": escape(wording.size(free)),
        "from": ", ".join(_link(downloads.page(repo), repo) for repo in repos),
    }
    conditions = "".join(f"<li>{escape(each)}</li>" for each in _conditions(licence))
    warnings = []
    if downloads.lacks_token(model):
        warnings.append(
            "HF_TOKEN is not set: accept the terms where the weights come from, with your account, "
            "and start Atelier with HF_TOKEN set to a token of it."
        )
    if extent.left is not None and extent.left > free:
        warnings.append("The disk has no room for it.")
    if downloads.offline and downloads.located(version) is None:
        warnings.append("Atelier was started with --offline: it will not download.")
    return (
        f"<h3>Before the first run of {escape(facts.title(model))}</h3>"
        f"<ul>{conditions}</ul><dl>"
        + "".join(f"<dt>{name}</dt><dd>{shown}</dd>" for name, shown in rows.items())
        + "</dl>"
        + "".join(f'<p class="warning">{escape(each)}</p>' for each in warnings)
        + '<p class="small">You are asked once for this model.</p>'
    )


def download_words(extent: Extent) -> str:
    """`33.7 GB`, `33.7 GB, 12.0 GB of them are here`, `all of it is here`."""
    if extent.total is None:
        return "size unknown until the Hub is asked"
    if not extent.left:
        return f"{wording.size(extent.total)}, all of it is on disk"
    here = f", {wording.size(extent.here)} of it is on disk already" if extent.here else ""
    return f"{wording.size(extent.total)}{here}"


def licence_html(licence: Licence) -> str:
    return _link(licence.url, licence.name) if licence.url else escape(licence.name)


def _conditions(licence: Licence) -> list[str]:
    found = []
    if licence.non_commercial:
        found.append("For non-commercial use only.")
    if licence.territory:
        found.append(f"{licence.territory[:1].upper()}{licence.territory[1:]}.")
    if licence.gated:
        found.append("Gated: its owner asks you to accept the terms on the Hub, too.")
    return found


def _link(address: str, words: str) -> str:
    shown = escape(words)
    if not address.startswith(("http://", "https://")):
        return shown
    return f'<a href="{escape(address)}" target="_blank" rel="noreferrer noopener">{shown}</a>'
