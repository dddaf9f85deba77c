"""Which layers go to which card, seen on shapes without weights: nothing computes on cards here."""

from __future__ import annotations

import re
import sys
from collections import Counter

import pytest
import torch
from accelerate import init_empty_weights
from accelerate.utils import compute_module_sizes
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from cog.running_out import is_out_of_memory
from model_registry.spec_files import RUNNERS

sys.path.append(str(RUNNERS))
import batching
import passes
import precision
import pretrained
import spreading

GB = 10**9


@pytest.fixture(scope="module")
def llama_70b():
    """The shape of Llama 3.1 70B."""
    config = LlamaConfig(
        vocab_size=128256,
        hidden_size=8192,
        intermediate_size=28672,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
    )
    with init_empty_weights():
        return LlamaForCausalLM._from_config(config, dtype=torch.bfloat16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a small Llama of four layers."""
    config = LlamaConfig(
        vocab_size=128,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=2,
    )
    folder = tmp_path_factory.mktemp("llama")
    LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def gpus(monkeypatch):
    """A machine that says it has GPUs, with so many bytes free on each."""

    def have(*free):
        held = [1000 * (number + 1) for number in range(len(free))]
        for name, answer in {
            "is_available": lambda: True,
            "is_bf16_supported": lambda **asked: True,
            "device_count": lambda: len(free),
            "get_device_name": lambda: "NVIDIA RTX 4090",
            "mem_get_info": lambda card=0: (free[card], free[card]),
            "memory_reserved": lambda card=0: held[card],
            "memory_allocated": lambda card=0: held[card] // 2,
        }.items():
            monkeypatch.setattr(torch.cuda, name, answer)

    return have


@pytest.mark.parametrize(
    ("rung", "free", "weights"),
    [
        ("bf16", [84] * 2, 141),
        ("fp8", [42] * 2, 73),
        ("4bit", [24] * 2, 38),
        ("4bit", [13] * 4, 38),
    ],
)
def test_the_layers_of_a_large_model_are_cut_evenly_into_as_many_as_there_are_cards(
    llama_70b, rung, free, weights
):
    found = spreading.placed(llama_70b, rung, {card: size * GB for card, size in enumerate(free)})
    sizes = compute_module_sizes(llama_70b, special_dtypes=spreading._quantized(llama_70b, rung))
    held = Counter()
    for name, card in found.items():
        held[card] += sizes[name]
    assert sorted(held) == list(range(len(free)))
    assert round(held.total() / GB) == weights
    assert max(held.values()) < spreading.ROOM * free[0] * GB
    # What is set aside for it on each card: `Device.takes` of the weights alone.
    assert max(held.values()) < held.total() * (1 + 0.04 * len(free)) / len(free) * 1.1
    layers = [found[name] for n in range(80) for name in (f"model.layers.{n}",)]
    assert layers == sorted(layers), "each card is passed once"


def test_what_does_not_fit_is_refused_as_want_of_memory_and_not_left_on_the_disk(llama_70b):
    with pytest.raises(MemoryError, match=r"141\.1 GB of weights do not fit on 2 cards") as told:
        spreading.placed(llama_70b, "bf16", {0: 72 * GB, 1: 72 * GB})
    assert is_out_of_memory(told.value)
    assert re.search("have 72.0 GB, 72.0 GB free: lm_head", str(told.value))


def test_a_folder_is_spread_over_the_cards_that_there_are(gpus, folder):
    gpus(GB, GB)
    found = spreading.over_cards(AutoModelForCausalLM, folder, "bf16", torch.bfloat16)
    assert {*found.values()} == {0, 1}


def test_only_where_several_cards_are_seen_is_a_language_model_spread(
    gpus, folder, monkeypatch, capsys
):
    asked = []

    def from_pretrained(weights, **settings):
        asked.append(settings)
        raise KeyError("no GPU is there to take them")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", from_pretrained)
    for free in ([GB], [GB, GB]):
        gpus(*free)
        with pytest.raises(KeyError):
            pretrained.pretrained("AutoModelForCausalLM", folder, "bf16")
    one, several = (settings["device_map"] for settings in asked)
    assert one == {"": 0} and {*several.values()} == {0, 1}
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(" · NVIDIA RTX 4090") and lines[1].endswith("· 2 × NVIDIA RTX 4090")


def test_what_is_offloaded_stays_on_one_card(gpus, monkeypatch):
    gpus(20 * GB)
    chosen = precision.language_model("offload")
    assert chosen["device_map"] == "auto" and chosen["max_memory"][0] == 16 * GB


def test_texts_take_of_all_cards_what_the_fullest_has_left(gpus):
    gpus(5 * GB, 3 * GB)
    assert batching.free_memory() == int(0.8 * 2 * (3 * GB + 1000))
    gpus(5 * GB)
    assert batching.free_memory() == int(0.8 * (5 * GB + 500))


def test_which_logits_are_wanted_is_said_without_a_tensor_that_lies_on_one_card(folder):
    model = AutoModelForCausalLM.from_pretrained(folder)
    said = []
    model.register_forward_pre_hook(
        lambda model, args, given: said.append(given["logits_to_keep"]), with_kwargs=True
    )
    shared = passes.SharedPasses(model)
    shared.reserve(2, 8)
    shared.begin(0, [[1, 2, 3], [4, 5]])
    assert said == [[1, 2]]
