"""The Explore tab: what there is to run, as cards by category, starters first."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from components import facts
from components.house_rules import QUIET, markup
from components.operator import EVERYBODY, Operator
from errors import BrokenModel
from model_registry.spec import Model
from predictions.service import PredictionService

# A card is a link, so that it opens in a new tab as well; a plain click stays on the page.
OPEN_CARD = """
element.addEventListener('click', (event) => {
    const card = event.target.closest('[data-model]');
    if (!card || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    trigger('click', {model: card.dataset.model});
});
"""

ALL = "All"
TITLES = {"3d": "3D"}


class ExploreTab:
    def __init__(self, service: PredictionService, operator: Operator = EVERYBODY) -> None:
        self._service = service
        self._operator = operator
        bare: dict[str, Any] = {"show_label": False, "container": False}
        with gr.Row(elem_id="finder"):
            search = gr.Textbox(
                placeholder="Search models …", label="search models", elem_id="find", **bare
            )
            kinds = dict.fromkeys(map(section, service.catalog.models()))
            kind = gr.Radio([ALL, *kinds], value=ALL, label="kind", elem_id="kinds", **bare)
        self._first = self.found("", ALL)
        self.asked = [search, kind]
        self.cards = markup(self._first, js=OPEN_CARD, elem_id="cards")
        for each in (search.change, kind.input):
            each(self.found, self.asked, self.cards, **QUIET)

    def news(self) -> Any:
        """All cards where they are no longer those that the page was built with."""
        cards = self.found("", ALL)
        return gr.skip() if cards == self._first else cards

    def found(self, text: str, kind: str = ALL) -> str:
        """Cards of the models of that kind that answer to the text."""
        catalog = self._service.catalog
        models = catalog.search(text) if text.strip() else catalog.models()
        chosen = [each for each in models if kind in (ALL, section(each))]
        # The reasons speak of folders on this machine.
        tells = kind == ALL and self._operator.is_at(None)
        broken = [each for each in catalog.broken if tells and text.strip().lower() in each.model]
        if not chosen and not broken and (text.strip() or kind != ALL):
            return self._nothing_html(text.strip(), kind)
        return cards_html(chosen) + broken_html(broken)

    def _nothing_html(self, text: str, kind: str) -> str:
        among = "" if kind == ALL else f" under {escape(kind)}"
        what = f" matches “{escape(text)}”" if text else ""
        adds = " Models adds one of the Hub, a folder or a repository."
        told = adds if self._operator.is_at(None) else ""
        return f'<p class="placeholder"><span>No model{among}{what}.{told}</span></p>'


def section(model: Model) -> str:
    """The heading that a model stands under."""
    if model.toy:
        return "Starters"
    return TITLES.get(model.category, model.category.capitalize())


def cards_html(models: Sequence[Model]) -> str:
    """Sections of cards, in the catalog's order: starters, then every category."""
    sections: dict[str, list[Model]] = {}
    for model in models:
        sections.setdefault(section(model), []).append(model)
    return "".join(
        f'<section><h2>{escape(name)}</h2><div class="grid">'
        f"{''.join(map(facts.card_html, group))}</div></section>"
        for name, group in sections.items()
    )


def broken_html(broken: Sequence[BrokenModel]) -> str:
    """What a person has brought and cannot be used, or not yet, and why."""
    if not broken:
        return ""
    lines = (
        f'<p class="small"><strong>{escape(each.model)}</strong>: {escape(each.reason)}</p>'
        for each in broken
    )
    return f'<section id="broken"><h2>Not usable</h2>{"".join(lines)}</section>'
