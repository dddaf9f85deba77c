from __future__ import annotations

import json
from types import SimpleNamespace

import gradio as gr
import pytest

from components.add_model import AddModel
from model_registry.catalog import Catalog
from model_registry.hub_models import HubModels
from settings import HubSettings
from tests.hub_stand_in import hub


@pytest.fixture
def catalog(tmp_path, described):
    """One that can add what a Hub has: a model, and a picture of nothing."""
    (described / "described").mkdir(exist_ok=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "described").symlink_to(described / "described")
    good, bad = tmp_path / "good", tmp_path / "bad"
    for folder, kind in ((good, "bert"), (bad, "unheard_of")):
        folder.mkdir()
        config = {"model_type": kind, "architectures": ["BertModel"]}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "model.safetensors").write_text("w")
        (folder / "tokenizer.json").write_text("{}")
    with hub({"tiny/good": good, "tiny/bad": bad}) as stand_in:
        catalog = Catalog()
        settings = HubSettings(endpoint=stand_in.address, pause=0)
        catalog.hub = HubModels(tmp_path / "data", settings, False, catalog.__contains__)
        yield catalog


async def told(catalog, reference, name="", trusted="", unsafe=False):
    """What the form says, from first to last."""
    with gr.Blocks():
        form = AddModel(SimpleNamespace(catalog=catalog))
        updates = form._added(reference, name, trusted, unsafe)
        return [update[form._told] async for update in updates]


async def test_a_repository_becomes_a_model_with_a_link(catalog):
    first, last = await told(catalog, "tiny/good", name=" my/own ")
    assert "Reading tiny/good" in first
    assert 'href="/?model=my/own"' in last and "embeddings" in last
    assert catalog.find("my/own")


async def test_fields_that_were_never_shown_count_as_empty(catalog):
    *_, last = await told(catalog, "tiny/good", name=None, trusted=None, unsafe=None)
    assert "tiny/good" in last


async def test_what_cannot_be_added_is_said_in_a_sentence(catalog):
    _, last = await told(catalog, "tiny/bad")
    assert 'role="alert"' in last and "has no BertModel" in last
    _, last = await told(catalog, "<script>")
    assert "<script>" not in last and "Write hf:owner/repo" in last
    (only,) = await told(catalog, "  ")
    assert "Write the name of a repository" in only


async def test_where_no_model_may_be_added_there_is_no_form():
    with gr.Blocks():
        before = gr.Button("the last there is")
        AddModel(SimpleNamespace(catalog=Catalog()))
        assert gr.Button()._id == before._id + 1
