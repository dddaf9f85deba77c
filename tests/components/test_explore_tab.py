"""What the Explore tab lists, and to whom."""

from __future__ import annotations

from types import SimpleNamespace

import gradio as gr
import pytest

from components.explore_tab import ExploreTab
from components.operator import Operator
from errors import BrokenModel
from model_registry.catalog import Catalog


@pytest.mark.parametrize("everybody", [True, False])
async def test_only_the_operator_reads_what_cannot_be_used_and_why(everybody):
    broken = BrokenModel("local/hangs", "predict.py, line 3: <it> was not imported")
    service = SimpleNamespace(catalog=Catalog(broken=[broken]))
    with gr.Blocks():
        tab = ExploreTab(service, Operator(everybody))
    assert ("local/hangs</strong>: predict.py, line 3: &lt;it&gt;" in tab.found("")) is everybody
    assert ("local/hangs" in tab.found("Hangs")) is everybody
    assert "local/hangs" not in tab.found("else")


async def test_nothing_found_says_for_what():
    with gr.Blocks():
        tab = ExploreTab(SimpleNamespace(catalog=Catalog()), Operator(everybody=True))
    assert "No model matches “&lt;b&gt;”." in tab.found("<b>")
    assert "No model under Video matches “x”." in tab.found("x", "Video")
