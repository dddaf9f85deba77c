"""What the forms of deployments refuse, and in which words."""

from __future__ import annotations

from types import SimpleNamespace

import gradio as gr
import pytest

from components.deploying import Deploying
from components.operator import Operator


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((None, "calls", 0, 1), "Choose the model"),
        (("local/echo", "My calls", 0, 1), "'My calls' is no name"),
        (("local/echo", "calls", 2, 1), "more than max_instances"),
    ],
)
async def test_what_cannot_be_deployed_is_said_in_a_sentence(catalog, given, said):
    with gr.Blocks():
        form = Deploying(SimpleNamespace(catalog=catalog), Operator())
        told = await form._made(*given)
    assert 'role="alert"' in told[form._told] and said in told[form._told].replace("&#x27;", "'")


async def test_who_is_not_the_operator_deploys_nothing(catalog):
    service = SimpleNamespace(catalog=catalog)
    with gr.Blocks():
        before = gr.Button("the last there is")
        assert Deploying(service, Operator(everybody=False)).wire(gr.HTML()) == ()
        assert gr.Button()._id == before._id + 2
        form = Deploying(service, Operator())
    form._operator = Operator(everybody=False)
    told = await form._made("local/echo", "calls", 0, 1)
    assert "Only the operator" in told[form._told]
    gone = await form._gone("atelier/calls")
    assert "Only the operator" in gone[form._problem]
