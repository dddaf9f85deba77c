"""Two parts of a page that are drawn at once."""

from __future__ import annotations

import gradio as gr
from gradio.state_holder import SessionState

from components import drawing_at_once


async def test_handlers_may_be_added_while_others_are_told_to_the_page(monkeypatch):
    with gr.Blocks() as page:
        text = gr.Textbox()
        text.change(lambda: None)
        text.submit(lambda: None)
    drawing_at_once.allow(page)
    fns = SessionState(page).blocks_config.fns
    handler = next(iter(fns.values()))
    told = handler.get_config

    def told_while_another_part_is_drawn():
        fns[len(fns) + 1000] = handler
        return told()

    monkeypatch.setattr(handler, "get_config", told_while_another_part_is_drawn)
    config = SessionState(page).blocks_config
    config.fns = fns
    assert len(config.get_config()["dependencies"]) == 2
    assert len(fns) == 3
