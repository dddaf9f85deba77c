"""A language model out of GGUF, unpacked when it is loaded."""

from __future__ import annotations

import pytest

from tests.model_registry.runners.conftest import Model
from tests.tiny import gguf_file

FILE = "tiny-Q8_0.gguf"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gguf")
    gguf_file.llama(folder)
    return Model(
        "text_generation.py:TextGeneration", folder, gguf={"file": FILE, "numbers": 10_000}
    )


@pytest.fixture(scope="module")
def of_several_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cut")
    gguf_file.llama(folder, cut=8)
    first, *others = sorted(path.name for path in folder.iterdir())
    assert first == "tiny-Q8_0-00001-of-00003.gguf" and len(others) == 2
    return Model(
        "text_generation.py:TextGeneration", folder, gguf={"file": first, "numbers": 10_000}
    )


def test_cut_into_several_files_it_is_the_same(unpacked, of_several_files):
    one = unpacked.runner.model.state_dict()
    several = of_several_files.runner.model.state_dict()
    assert one.keys() == several.keys()
    assert all(one[name].equal(several[name]) for name in one)


def test_it_thinks_what_the_model_thought_before_it_was_packed(unpacked):
    import torch

    asked = torch.tensor([[1, 2, 3, 4, 5, 6, 7]])
    with torch.no_grad():
        before = gguf_file.model()(asked).logits
        now = unpacked.runner.model(asked).logits
    assert (now - before).abs().max() < 0.05 * before.abs().max()


def test_it_writes_in_its_own_chat_format(unpacked):
    asked = {"prompt": "hello", "system_prompt": "be kind", "max_tokens": 8, "seed": 1}
    text = "".join(unpacked.run(**asked))
    assert text and text == "".join(unpacked.run(**asked))
    template = "system: be kind\nuser: hello\n"
    assert unpacked.told.metrics["input_token_count"] == len(template) - 1  # "he" is one token
