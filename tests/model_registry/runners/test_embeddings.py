from __future__ import annotations

import json
import math

import pytest

from tests.model_registry.runners.conftest import Model
from tests.tiny import hub_repos

EMBEDDINGS = "embeddings.py:Embeddings"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    hub_repos.sentence_encoder(folder)
    return Model(EMBEDDINGS, folder)


def embedded(model, *texts, **more):
    return [each["embedding"] for each in model.run(text_batch=json.dumps(texts), **more)]


def length(embedding):
    return math.sqrt(sum(number**2 for number in embedding))


def test_a_text_becomes_a_vector_of_the_length_that_the_folder_asks_for(model):
    ((vector),) = (each["embedding"] for each in model.run(text="the cat"))
    assert len(vector) == 32 and length(vector) == pytest.approx(1, abs=1e-5)
    assert model.told.metrics["input_token_count"] == 4


def test_texts_of_any_number_come_in_their_order_and_alone_as_in_a_batch(model):
    texts = [f"the cat {'sees the dog ' * (number % 5)}" for number in range(40)]
    together = embedded(model, *texts)
    assert len(together) == 40
    for at in (0, 3, 39):
        (alone,) = embedded(model, texts[at])
        assert alone == pytest.approx(together[at], abs=1e-5)
    assert model.told.steps[-1] == (1, 1, "text")


def test_what_comes_before_a_query_changes_it(model):
    assert embedded(model, "the dog") == embedded(model, "the dog", prompt_name="document")
    (query,) = embedded(model, "the dog", prompt_name="query")
    assert [query] == embedded(model, "the cat: the dog")
    with pytest.raises(ValueError, match="'title'; this model knows document, query"):
        embedded(model, "the dog", prompt_name="title")


def test_what_is_too_long_is_cut_and_that_is_said(model, capsys):
    (cut,) = embedded(model, "cat " * 200_00)
    assert "Text 1 has 20002 tokens; this model reads the first 48" in capsys.readouterr().out
    assert [cut] == embedded(model, "cat " * 46)


@pytest.mark.parametrize(
    "given, reason",
    [
        ({}, "Give one text as text, or several"),
        ({"text": "a", "text_batch": '["b"]'}, "and not both"),
        ({"text_batch": "the cat"}, "must be a JSON list"),
        ({"text_batch": "[1]"}, "must be a JSON list"),
        ({"text_batch": '["a", " "]'}, "or one of its texts is"),
    ],
)
def test_inputs_that_make_no_sense_are_refused(model, given, reason):
    with pytest.raises(ValueError, match=reason):
        model.run(**given)


def test_a_folder_that_names_no_layers_gives_means(tmp_path, capsys):
    hub_repos.plain_encoder(tmp_path)
    plain = Model(EMBEDDINGS, tmp_path)
    assert "the mean over a text's tokens" in capsys.readouterr().out
    (vector,) = embedded(plain, "the cat")
    assert length(vector) != pytest.approx(1, abs=1e-3)
    assert length(*embedded(plain, "the cat", normalize=True)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "way, others",
    [("cls_token", False), ("lasttoken", False), ("max_tokens", False), ("mean_tokens", True)],
)
def test_tokens_are_pooled_as_the_folder_says(tmp_path, way, others):
    hub_repos.sentence_encoder(tmp_path)
    modules = json.loads((tmp_path / "modules.json").read_text())[:2]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    ways = {f"pooling_mode_{way}": True} | ({"pooling_mode_max_tokens": True} if others else {})
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(ways))
    model = Model(EMBEDDINGS, tmp_path)
    short, long = embedded(model, "the cat", "the cat sees the dog and the sun")
    assert len(short) == (64 if others else 32)
    assert [short] == [pytest.approx(each, abs=1e-5) for each in embedded(model, "the cat")]
    assert short != long


@pytest.mark.parametrize("form", ["model.safetensors", "pytorch_model.bin"])
def test_a_dense_layer_comes_after(tmp_path, form):
    import torch
    from safetensors.torch import save_file

    hub_repos.sentence_encoder(tmp_path)
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[2] = {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    folder = tmp_path / "2_Dense"
    folder.mkdir()
    shape = {"in_features": 32, "out_features": 5, "bias": False}
    ends = {"activation_function": "torch.nn.modules.activation.Tanh"}
    (folder / "config.json").write_text(json.dumps(shape | ends))
    save = save_file if form.endswith("safetensors") else torch.save
    save({"linear.weight": torch.ones(5, 32) * 9}, folder / form)
    (vector,) = embedded(Model(EMBEDDINGS, tmp_path), "the cat")
    assert len(vector) == 5 and all(-1 <= number <= 1 for number in vector)


def test_a_layer_that_is_not_known_is_named(tmp_path):
    hub_repos.sentence_encoder(tmp_path)
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[2]["type"] = "sentence_transformers.models.CNN"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ValueError, match="a layer CNN; known: Pooling, Dense, Normalize"):
        Model(EMBEDDINGS, tmp_path)
