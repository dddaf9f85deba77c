"""Memory that runs out where a library would not say so."""

from __future__ import annotations

import sys

import pytest
import torch
from transformers import MixtralConfig, MixtralForCausalLM

from cog import InvalidInput
from cog.running_out import is_out_of_memory
from model_registry.spec_files import RUNNERS

sys.path.append(str(RUNNERS))
from lora import Lora
from pretrained import pretrained

ON_A_GPU = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB.")
ON_A_CPU = RuntimeError("can't allocate memory: you tried to allocate 400000000000 bytes.")


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    """A folder with a mixture of experts, which are joined while it is loaded."""
    folder = tmp_path_factory.mktemp("mixture")
    MixtralForCausalLM(
        MixtralConfig(
            vocab_size=128, hidden_size=64, intermediate_size=128, num_hidden_layers=1,
            num_attention_heads=2, num_key_value_heads=2, num_local_experts=4,
        )
    ).save_pretrained(folder)  # fmt: skip
    return str(folder)


def raising(error):
    def call(*args, **settings):
        raise error

    return call


@pytest.mark.parametrize("error", [ON_A_GPU, ON_A_CPU], ids=["on a GPU", "on a CPU"])
def test_weights_that_are_joined_in_loading_say_that_memory_ran_out(mixture, monkeypatch, error):
    monkeypatch.setattr(torch, "stack", raising(error))
    with pytest.raises(RuntimeError) as raised:
        pretrained("AutoModelForCausalLM", mixture)
    assert is_out_of_memory(raised.value) and str(error) in str(raised.value)


def test_what_else_goes_wrong_in_joining_weights_is_said_as_well(mixture, monkeypatch):
    monkeypatch.setattr(torch, "stack", raising(TypeError("no such kind of tensor")))
    with pytest.raises(RuntimeError, match="TypeError: no such kind of tensor") as raised:
        pretrained("AutoModelForCausalLM", mixture)
    assert not is_out_of_memory(raised.value)


class Loading:
    """A pipeline whose LoRA weights cannot be loaded."""

    components = {}

    def __init__(self, error):
        self.load_lora_weights = raising(error)


@pytest.mark.parametrize("error", [ON_A_GPU, ON_A_CPU], ids=["on a GPU", "on a CPU"])
def test_lora_weights_that_memory_is_too_small_for_are_not_taken_for_anothers(tmp_path, error):
    with pytest.raises(type(error)):
        Lora(Loading(error))._fit(tmp_path, "name")
    with pytest.raises(InvalidInput, match="another architecture"):
        Lora(Loading(KeyError("no such layer")))._fit(tmp_path, "name")
