"""What all handlers and all HTML of the page have in common."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

QUIET: Mapping[str, Any] = {
    "show_progress": "hidden",
    "concurrency_limit": None,
    "api_visibility": "private",
}
"""For every event: our status line speaks, and only the pool's queue has a say in order."""


ALL_SHOWN = 10_000
"""More choices than any list has. Of a list without a number Gradio shows the first hundred, and
the rest to those who scroll to the end of these.
"""


def markup(value: str = "", *, js: str | None = None, **properties: Any) -> gr.HTML:
    """HTML of ours, styled by our own style sheet alone; `js` runs when it is shown."""
    return gr.HTML(value, js_on_load=js, apply_default_css=False, **properties)


def line_html(text: str, kind: str = "small") -> str:
    """One line that is told; a `problem` is announced to screen readers."""
    role = ' role="alert"' if kind == "problem" else ""
    return f'<p class="{kind}"{role}>{escape(text)}</p>'
