"""The Explore tab: what there is to run, as cards by category, starters first."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from components import facts
from components.house_rules import QUIET, markup
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
    def __init__(self, service: PredictionService) -> None:
        self._service = service
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
        models = (
            self._service.catalog.search(text) if text.strip() else self._service.catalog.models()
        )
        return cards_html(models)


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
