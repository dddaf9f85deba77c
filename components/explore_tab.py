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


class ExploreTab:
    def __init__(self, service: PredictionService, operator: Operator = EVERYBODY) -> None:
        self._service = service
        self._operator = operator
        search = gr.Textbox(
            placeholder="Search models …",
            show_label=False,
            container=False,
            label="search models",
            elem_id="find",
        )
        self._first = self.found("")
        self.search = search
        self.cards = markup(self._first, js=OPEN_CARD, elem_id="cards")
        search.change(self.found, search, self.cards, **QUIET)

    def news(self) -> Any:
        """All cards where they are no longer those that the page was built with."""
        cards = self.found("")
        return gr.skip() if cards == self._first else cards

    def found(self, text: str) -> str:
        catalog = self._service.catalog
        if text.strip():
            return cards_html(catalog.search(text))
        # The reasons speak of folders on this machine.
        told = catalog.broken if self._operator.is_at(None) else ()
        return cards_html(catalog.models()) + broken_html(told)


def cards_html(models: Sequence[Model]) -> str:
    """Sections of cards, in the catalog's order: starters, then every category."""
    sections: dict[str, list[Model]] = {}
    for model in models:
        section = "Starters" if model.toy else model.category.capitalize()
        sections.setdefault(section, []).append(model)
    if not sections:
        return '<p class="placeholder">No model answers to that.</p>'
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
