from __future__ import annotations

import asyncio

import pytest

from cog import InvalidInput
from cog.scope import Scope, entered
from tests.model_registry.runners.conftest import Model, collected
from tests.tiny import language

PROMPT = "Tell me a story about a brave fox in the snow."


def test_a_story_streams_in_pieces_and_keeps_what_was_asked_for(story):
    pieces = story.run(prompt=PROMPT, seed=3)
    text = "".join(pieces)
    assert len(pieces) > 20
    assert "fox" in text and "snow" in text
    assert text.endswith(".")


def test_the_same_seed_gives_the_same_text_and_another_seed_another(story):
    once, again, other = (
        story.run(prompt=PROMPT, seed=seed, max_tokens=40, temperature=1) for seed in (7, 7, 8)
    )
    assert once == again != other


def test_temperature_zero_needs_no_seed(story):
    assert story.run(prompt="Who are you?", temperature=0, max_tokens=16) == story.run(
        prompt="Who are you?", temperature=0, max_tokens=16
    )


def test_a_run_reports_its_tokens_and_their_speed(story):
    story.run(prompt=PROMPT, seed=1, max_tokens=16)
    metrics = story.told.metrics
    assert metrics["output_token_count"] == 16
    assert metrics["input_token_count"] > 8
    assert metrics["time_to_first_token"] >= 0
    assert metrics["tokens_per_second"] > 0


def test_the_seed_is_in_the_log(story, capsys):
    story.run(prompt=PROMPT, seed=1234, max_tokens=1)
    assert "Using seed: 1234" in capsys.readouterr().out


def test_text_ends_before_a_stop_sequence_even_one_that_spans_tokens(story):
    whole = "".join(story.run(prompt=PROMPT, seed=3))
    cut = whole.find("ox")
    assert "".join(story.run(prompt=PROMPT, seed=3, stop_sequences="never there,ox")) == whole[:cut]


def test_a_stop_sequence_that_only_begins_loses_nothing(story):
    whole = "".join(story.run(prompt=PROMPT, seed=3))
    assert "".join(story.run(prompt=PROMPT, seed=3, stop_sequences="fox?!,.@")) == whole


async def test_a_cancel_ends_the_run_at_once_and_frees_its_row(story):
    with entered(Scope()):
        running = story.loaded.call(**story.loaded.arguments({"prompt": PROMPT, "seed": 1}))
        await anext(running)
        rest = asyncio.create_task(collected(running))
        await asyncio.sleep(0)
        rest.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rest
    batch = story.runner.writers.batch
    while batch.busy:
        await asyncio.sleep(0)
    assert [piece async for piece in running] == []


async def test_chats_at_once_get_what_each_gets_alone(story):
    asked = [
        {"prompt": PROMPT, "seed": 3},
        {"prompt": "Who are you?", "temperature": 0},
        {"prompt": "A story about a shy robot on the moon", "seed": 5, "top_k": 0},
        {"prompt": PROMPT, "seed": 8, "temperature": 1.0, "frequency_penalty": 0.5},
        {"prompt": PROMPT, "seed": 3, "stop_sequences": "fox"},
    ]
    runs = [story.loaded.arguments({"max_tokens": 60, **each}) for each in asked]
    alone = [await collected(story.loaded.call(**each)) for each in runs]
    together = await asyncio.gather(*(collected(story.loaded.call(**each)) for each in runs))
    assert together == alone


async def test_a_chat_that_is_refused_does_not_trouble_another(story):
    long, fine = (
        story.loaded.call(**story.loaded.arguments({"prompt": prompt, "seed": 1, "max_tokens": 9}))
        for prompt in ("x" * 200_000, PROMPT)
    )
    outcomes = await asyncio.gather(collected(long), collected(fine), return_exceptions=True)
    assert isinstance(outcomes[0], InvalidInput)
    assert "".join(outcomes[1])


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"prompt": "  "}, "The prompt is empty"),
        ({"prompt": "x" * 200_000}, "tokens; this model holds 512 in all.* Shorten the prompt"),
        ({"prompt": "Hi", "min_tokens": 9, "max_tokens": 8}, "min_tokens is 9"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(story, inputs, said):
    with pytest.raises(ValueError, match=said):
        story.run(**inputs)


@pytest.mark.parametrize("prompt", ["🙂🙂", "zxqv blorp", "<|end|><|user|>", "\x00", "日本語"])
def test_unknown_words_still_get_an_answer(story, prompt):
    assert "".join(story.run(prompt=prompt, seed=1, max_tokens=16))


def test_a_text_that_fills_the_context_stops_there_and_says_so(story, capsys):
    story.run(prompt=PROMPT, seed=1, min_tokens=2000, max_tokens=2000)
    metrics = story.told.metrics
    assert metrics["input_token_count"] + metrics["output_token_count"] == 512
    assert "context of 512 tokens is full" in capsys.readouterr().out


def test_a_model_without_a_chat_template_goes_on_from_the_prompt(plain_llama):
    assert len(plain_llama.run(prompt="abc", seed=1, max_tokens=16)) > 0
    assert plain_llama.told.metrics["input_token_count"] == 3
    plain_llama.run(prompt="abc", system_prompt="de", max_tokens=1)
    assert plain_llama.told.metrics["input_token_count"] == len("de\n\nabc")


def test_a_long_prompt_read_in_parts_gives_what_it_gives_in_one(plain_llama, monkeypatch):
    prompt = "once upon a time " * 40
    in_two = plain_llama.run(prompt=prompt, temperature=0, max_tokens=8)
    monkeypatch.setattr("batching.PREFILL", 10_000)
    assert plain_llama.run(prompt=prompt, temperature=0, max_tokens=8) == in_two


def test_penalties_keep_a_text_from_repeating_itself(plain_llama):
    settings = {"prompt": "abc", "max_tokens": 60, "temperature": 0, "min_tokens": 60}
    plain = "".join(plain_llama.run(**settings))
    varied = "".join(plain_llama.run(**settings, frequency_penalty=2, presence_penalty=2))
    assert len(set(varied)) > len(set(plain))


def test_words_that_a_toy_was_never_taught_are_told(story, capsys):
    story.run(prompt="A story about a brave walrus", max_tokens=2)
    assert "never taught: walrus." in capsys.readouterr().out


def test_a_repeat_penalty_keeps_a_text_from_the_last_words(plain_llama):
    settings = {"prompt": "abc", "max_tokens": 60, "temperature": 0, "min_tokens": 60}
    plain = "".join(plain_llama.run(**settings))
    varied = "".join(plain_llama.run(**settings, repeat_penalty=2))
    assert len(set(varied)) > len(set(plain))


def test_weights_that_cannot_stay_packed_are_told(tmp_path, capsys):
    language.gpt_oss(tmp_path)
    model = Model("text_generation.py:TextGeneration", tmp_path)
    assert "The weights are in MXFP4 and become bfloat16" in capsys.readouterr().out
    assert "".join(model.run(prompt="Hi", seed=1, max_tokens=32, temperature=1, top_p=1, top_k=0))


def test_the_number_of_tokens_may_have_its_older_name(story):
    story.run(prompt="Once upon a time", max_new_tokens=3, min_new_tokens=-1, seed=1)
    assert story.told.metrics["output_token_count"] == 3


# peft asks transformers by an older name.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
@pytest.mark.parametrize("tokens", [0, 1], ids=["its base's tokens", "a token of its own"])
def test_lora_weights_are_laid_over_their_base(plain_llama, tmp_path, tokens):
    import peft
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = plain_llama.runner.weights
    model = AutoModelForCausalLM.from_pretrained(base)
    if tokens:
        tokenizer = AutoTokenizer.from_pretrained(base)
        tokenizer.add_tokens(["<own>"])
        tokenizer.save_pretrained(tmp_path)
        model.resize_token_embeddings(len(tokenizer))
    kept = {"modules_to_save": ["embed_tokens", "lm_head"]} if tokens else {}
    settings = peft.LoraConfig(
        target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", r=4, lora_alpha=400, **kept
    )
    torch.manual_seed(0)
    taught = peft.get_peft_model(model, settings)
    for name, weights in taught.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights)
    taught.save_pretrained(tmp_path, save_embedding_layers=False)

    target = "text_generation.py:TextGeneration"
    laid_over = Model(target, base, parts={"adapter": str(tmp_path)})
    asked = {"prompt": "abc", "temperature": 0, "max_tokens": 12, "min_tokens": 12}
    given = torch.tensor([laid_over.runner.prompts.tokens("abc")])
    with torch.no_grad():
        wanted = taught(given).logits[0, -1]
        assert torch.allclose(laid_over.runner.model(given).logits[0, -1], wanted, atol=1e-4)
    assert laid_over.run(**asked) != plain_llama.run(**asked)
