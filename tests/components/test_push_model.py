from __future__ import annotations

from types import SimpleNamespace

import gradio as gr
import pytest

from components.operator import Operator
from components.push_model import PushModel, pushed_html
from errors import BrokenModel
from model_registry.catalog import Catalog
from model_registry.published import Published
from model_registry.spec import Model
from settings import parse

OTHER_SITE = {"sec-fetch-site": "cross-site"}


@pytest.fixture
def service(tmp_path):
    catalog = Catalog()
    catalog.published = Published(tmp_path)
    return SimpleNamespace(catalog=catalog)


async def told(form, *given):
    return [update[form._told] async for update in form._pushed(*given)]


def components(service, operator):
    with gr.Blocks() as page:
        PushModel(service, operator)
    return page.get_config_file()["components"]


@pytest.mark.parametrize(
    ("arguments", "environment", "everybody"),
    [
        ([], {}, True),
        (["--host", "0.0.0.0"], {}, True),
        (["--share"], {}, False),
        (["--tokens", "tokens.txt"], {}, False),
        ([], {"SPACE_ID": "ada/atelier"}, False),
    ],
)
def test_everybody_operates_only_what_is_neither_shared_nor_has_tokens(
    arguments, environment, everybody
):
    assert parse(arguments, environment).everybody_operates is everybody


async def test_who_is_not_the_operator_sees_no_form(service):
    assert components(service, Operator()) != []
    assert components(service, Operator(everybody=False)) == []
    assert components(SimpleNamespace(catalog=Catalog()), Operator()) == []


async def test_what_is_missing_or_refused_is_said_in_a_sentence(service):
    with gr.Blocks():
        form = PushModel(service, Operator())
    for given, said in (
        (("", None, "a/b"), "choose a zip"),
        (("/x", "/y.zip", "a/b"), "Take one of them away"),
        (("/x", None, " "), "what it is to be called"),
    ):
        (only,) = await told(form, *given)
        assert said in only and 'role="alert"' in only

    async def push(source, name):
        raise BrokenModel(name, "cog.yaml, line 2: <b>.")

    service.publishing = SimpleNamespace(push=push)
    first, last = await told(form, " /x ", None, "a/b")
    assert "Copying" in first and "line 2: &lt;b&gt;." in last
    (only,) = await told(form, "/x", None, "a/b", SimpleNamespace(headers=OTHER_SITE))
    assert "Only the operator" in only
    form._operator = Operator(everybody=False)
    (only,) = await told(form, "/x", None, "a/b")
    assert "Only the operator" in only


def test_what_was_pushed_is_told_with_its_link_and_warnings(catalog):
    version = catalog.find("local/echo").latest
    model = Model("ada", "say", (version, version), warnings=("It asks for <apt>.",))
    shown = pushed_html(model, is_new=True)
    assert 'href="/?model=ada/say"' in shown and version.id[:12] in shown
    assert "1 older one can be run" in shown and "&lt;apt&gt;" in shown
    assert "has had this version already" in pushed_html(model, is_new=False)
