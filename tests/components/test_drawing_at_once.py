"""Two parts of a page that are drawn at once."""

from __future__ import annotations

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from components import drawing_at_once


@pytest.fixture
async def page():
    with gr.Blocks() as page:
        text = gr.Textbox()
        text.change(lambda: None)
        text.submit(lambda: None)
    drawing_at_once.allow(page)
    return page


async def test_handlers_may_be_added_while_others_are_told_to_the_page(page, monkeypatch):
    config = SessionState(page).blocks_config
    handler = next(iter(config.fns.values()))
    told = handler.get_config

    def told_while_another_part_is_drawn():
        config.fns[len(config.fns) + 1000] = handler
        return told()

    monkeypatch.setattr(handler, "get_config", told_while_another_part_is_drawn)
    assert len(config.get_config()["dependencies"]) == 2
    assert len(config.fns) == 3


async def test_components_may_be_added_while_others_are_walked_over(page):
    config = SessionState(page).blocks_config
    before = len(config.blocks)
    for component in config.blocks.values():
        config.blocks[len(config.blocks) + 1000] = component
    assert len(config.blocks) == 2 * before


async def test_what_one_session_adds_is_not_in_another(page):
    first, second = (SessionState(page).blocks_config for _ in range(2))
    first.fns[1000] = next(iter(first.fns.values()))
    assert len(second.fns) == len(page.default_config.fns) == 2


async def test_a_click_on_what_is_drawn_anew_meanwhile_is_still_answered(page):
    fns = SessionState(page).blocks_config.fns
    clicked, handler = next(iter(fns.items()))
    del fns[clicked]
    assert fns[clicked] is handler
    assert clicked not in fns and handler not in fns.values()
    for number in range(1000, 1000 + drawing_at_once.REPLACED):
        fns[number] = handler
        del fns[number]
    with pytest.raises(KeyError):
        fns[clicked]
