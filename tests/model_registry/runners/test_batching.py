"""Texts that come and go at any step get what each would get alone, from the library's own cache,
in every class of models that the catalogue names.
"""

from __future__ import annotations

import sys
import time
from functools import partial

import pytest

from cog.loading import load
from tests.model_registry.runners.conftest import REGISTRY
from tests.tiny import language

FAMILIES = {
    "llama": language.llama_3,
    "mistral": language.mistral,
    "mistral-with-a-window": partial(language.mistral, window=16),
    "mixtral": language.mixtral,
    "qwen2": language.qwen_2_coder,
    "qwen3": language.qwen_3,
    "qwen3-moe": language.qwen_3_coder,
    "gpt-oss": language.gpt_oss,
    "starcoder2": language.starcoder,
}
EACH = [
    pytest.param(each, marks=[pytest.mark.heavy] * (each in ("qwen3-moe", "mixtral", "mistral")))
    for each in FAMILIES
]
"""Some wait for `test-all`: gpt-oss has experts, too, and a window."""
LENGTHS = (3, 40, 1, 21, 9, 30)
"""Tokens of the prompts: within a part and over several, within a sliding window and beyond."""


@pytest.fixture(scope="module", autouse=True)
def modules():
    load(str(REGISTRY / "runners"), "text_generation.py:TextGeneration")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    from transformers import AutoModelForCausalLM

    made = {}

    def model(family):
        if family not in made:
            folder = tmp_path_factory.mktemp(family)
            FAMILIES[family](folder)
            made[family] = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
        return made[family]

    return model


@pytest.fixture
def llama(models):
    return models("llama")


def text(length, number=0, most=12, **sampling):
    batching, choosing = sys.modules["batching"], sys.modules["sampling"]
    asked = [(number * 31 + place * 7) % 250 for place in range(length)]
    sampler = choosing.Sampler(number, "cpu", choosing.Sampling(**sampling), asked)
    return batching.Text(asked, sampler, frozenset(), 0, most)


def texts(temperature):
    return [
        text(length, number, most=6 + 3 * number, temperature=temperature)
        for number, length in enumerate(LENGTHS)
    ]


def told(batch, steps=1):
    """What so many steps bring to each text, tokens and whatever else, in their order."""
    heard = {}
    for _ in range(steps):
        for each, what in batch.step():
            heard.setdefault(each, []).append(what)
    return heard


def alone(model, each):
    passes = sys.modules["passes"].SinglePasses(model)
    batch = sys.modules["batching"].Batch(passes, 0)
    batch.join(each)
    heard = told(batch, 40)[each]
    assert not batch.busy
    return heard


def shared(model, memory=1 << 40):
    passes = sys.modules["passes"].passes_of(model)
    assert passes.shared
    return sys.modules["batching"].Batch(passes, memory)


@pytest.mark.parametrize("temperature", [pytest.param(0, marks=pytest.mark.heavy), 0.8])
@pytest.mark.parametrize("family", EACH)
def test_texts_that_come_and_go_get_what_each_gets_alone(models, monkeypatch, family, temperature):
    monkeypatch.setattr("batching.PREFILL", 16)
    model = models(family)
    expected = [alone(model, each) for each in texts(temperature)]
    batch, heard = shared(model), {}
    for each in texts(temperature):
        batch.join(each)
        heard.setdefault(each, [])
        for among, what in told(batch, 2).items():
            heard[among] += what
    for among, what in told(batch, 40).items():
        heard[among] += what
    assert list(heard.values()) == expected
    assert not batch.busy


@pytest.mark.parametrize("family", EACH)
def test_texts_that_come_at_once_get_what_each_gets_alone(models, family):
    model = models(family)
    expected = [alone(model, each) for each in texts(0.8)]
    batch, together = shared(model), texts(0.8)
    for each in together:
        batch.join(each)
    heard = told(batch, 40)
    assert [heard[each] for each in together] == expected


def test_a_text_that_leaves_makes_room_at_the_next_step(llama):
    batch, first, second, third = shared(llama), text(5, 1), text(9, 2), text(3, 3)
    for each in (first, second, third):
        batch.join(each)
    heard = told(batch, 3)
    batch.leave(first)
    after = told(batch, 30)
    assert first not in after
    assert heard[second] + after[second] == alone(llama, text(9, 2))
    assert heard[third] + after[third] == alone(llama, text(3, 3))


def test_a_text_that_left_before_it_was_let_in_takes_nothing(llama):
    batch, gone = shared(llama), text(5)
    batch.join(gone)
    batch.leave(gone)
    assert told(batch) == {} and not batch.busy


def test_a_text_waits_while_memory_is_short_and_is_not_overtaken(llama):
    batch, large, small = shared(llama, memory=1), text(40, 1, most=4), text(2, 2)
    batch.join(text(4, 0, most=4))
    told(batch)
    batch.join(large)
    batch.join(small)
    assert told(batch, 2).keys().isdisjoint({large, small})
    order = list(told(batch, 60))
    assert order[-2:] == [large, small]


def test_a_prompt_that_cannot_be_read_fails_alone(llama):
    batch, bad, fine = shared(llama), text(5, 1), text(9, 2)
    bad.asked[2] = 10**6  # no such token
    for each in (bad, fine):
        batch.join(each)
    heard = told(batch, 30)
    assert isinstance(heard[bad][0], IndexError) and len(heard[bad]) == 1
    assert heard[fine] == alone(llama, text(9, 2))


@pytest.mark.parametrize("good", [0, 3])
def test_logits_that_are_no_numbers_fail_their_text_alone(llama, monkeypatch, good):
    batch, bad, fine = shared(llama), text(5, 1, temperature=1), text(9, 2)
    choose, factors = bad.sampler.choose, iter([1.0] * good + [float("nan")])
    monkeypatch.setattr(
        bad.sampler, "choose", lambda logits, banned: choose(logits * next(factors), banned)
    )
    for each in (bad, fine):
        batch.join(each)
    heard = told(batch, 30)
    assert len(heard[bad]) == good + 1 and isinstance(heard[bad][-1], RuntimeError)
    assert heard[fine] == alone(llama, text(9, 2))


def test_a_pass_that_fails_for_all_costs_the_youngest_only(llama, monkeypatch):
    batch, old, young = shared(llama), text(9, 2), text(5, 1)
    step = batch._passes.step

    def with_room_for_one(first, starts, tokens):
        if len(starts) > 1:
            raise MemoryError("no room")
        return step(first, starts, tokens)

    monkeypatch.setattr(batch._passes, "step", with_room_for_one)
    for each in (old, young):
        batch.join(each)
    heard = told(batch, 30)
    assert isinstance(heard[young][-1], MemoryError)
    assert heard[old] == alone(llama, text(9, 2))


def test_a_text_that_there_is_no_room_for_fails_alone(llama, monkeypatch):
    cache = sys.modules["row_cache"]
    batch, old, young = shared(llama), text(9, 2), text(5, 1)
    grown = cache._grown
    batch.join(old)
    heard = told(batch, 2)
    layers, calls = len(batch._passes._cache._layers), []

    def with_room_for_half(kept, rows, columns):
        calls.append(rows)
        if len(calls) > layers:
            raise MemoryError("no room")
        return grown(kept, rows, columns)

    monkeypatch.setattr(cache, "_grown", with_room_for_half)
    batch.join(young)
    after = told(batch, 30)
    assert [type(each) for each in after[young]] == [MemoryError]
    assert heard[old] + after[old] == alone(llama, text(9, 2))
    monkeypatch.setattr(cache, "_grown", grown)
    batch.join(again := text(5, 1))
    assert told(batch, 30)[again] == alone(llama, text(5, 1))


def test_a_model_without_memory_for_a_first_pass_is_not_taken_to_need_one_each(llama, monkeypatch):
    def full(*args, **settings):
        raise MemoryError("no room")

    monkeypatch.setattr(llama, "forward", full)
    with pytest.raises(MemoryError):
        sys.modules["passes"].passes_of(llama)


def test_memory_is_given_back_when_nobody_writes(llama):
    batch = shared(llama)
    batch.join(text(9))
    told(batch, 30)
    assert batch._passes._cache.rows == 0


def bloom():
    from transformers import BloomConfig, BloomForCausalLM

    return BloomForCausalLM(BloomConfig(vocab_size=260, hidden_size=16, n_layer=2, n_head=2))


def lfm2():
    from transformers import Lfm2Config, Lfm2ForCausalLM

    return Lfm2ForCausalLM(
        Lfm2Config(
            vocab_size=260, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2, layer_types=["conv", "full_attention"],
        )
    )  # fmt: skip


@pytest.mark.parametrize("make", [bloom, lfm2])
def test_a_model_that_remembers_in_another_way_takes_a_pass_for_each(make, capsys):
    import torch

    torch.manual_seed(0)
    model = make().eval()
    passes = sys.modules["passes"].passes_of(model)
    assert not passes.shared
    assert "a pass each" in capsys.readouterr().out
    batch, pair = sys.modules["batching"].Batch(passes, 0), (text(9, 2), text(5, 1))
    for each in pair:
        batch.join(each)
    heard = told(batch, 30)
    assert [heard[each] for each in pair] == [alone(model, text(9, 2)), alone(model, text(5, 1))]


async def test_the_times_of_tokens_are_those_of_the_writing_not_of_the_reading(llama):
    batching, passes = sys.modules["batching"], sys.modules["passes"]
    writers = batching.Writers(batching.Batch(passes.SinglePasses(llama)))
    one = text(5, most=6)
    tokens = writers.write(one)
    await anext(tokens)
    writers._thread.shutdown()  # all is written; nothing more was read
    written = time.perf_counter()
    assert [token async for token in tokens] and one.written == 6
    assert 0 < one.first_at < one.latest_at <= written
