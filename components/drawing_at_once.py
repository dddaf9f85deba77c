"""Lets Gradio draw several parts of one person's page at once."""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, ValuesView
from typing import Any

import gradio as gr

REPLACED = 300
"""How many of the entries that left last can still be asked for."""


class _Steady(dict[Any, Any]):
    """Entries that may come and go while another thread walks over them. One that has just left is
    still found by who knows its key.
    """

    def __init__(self, entries: dict[Any, Any]) -> None:
        super().__init__(entries)
        self._replaced: dict[Any, Any] = {}

    def __delitem__(self, key: Any) -> None:
        self._replaced[key] = self[key]
        if len(self._replaced) > REPLACED:
            del self._replaced[next(iter(self._replaced))]
        super().__delitem__(key)

    def __missing__(self, key: Any) -> Any:
        return self._replaced[key]

    def keys(self) -> KeysView[Any]:  # type: ignore[override]
        return dict(self).keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        return dict(self).values()

    def items(self) -> ItemsView[Any, Any]:  # type: ignore[override]
        return dict(self).items()

    def __copy__(self) -> _Steady:
        return _Steady(self)


def allow(page: gr.Blocks) -> None:
    """To be called once the page is built.

    Each person's page keeps its parts and their handlers in copies of two mappings. What is drawn
    anew adds its own from a thread, and Gradio walks over all of them meanwhile for what another
    part has drawn: with plain mappings that is an error now and then, and the part stays empty.
    And a click may be on its way while the part that it was made on is drawn anew: the handler that
    it asks for still answers.
    """
    config = page.default_config
    config.blocks, config.fns = _Steady(config.blocks), _Steady(config.fns)
