"""What a model reads of what a person asks, in each family's format."""

from __future__ import annotations

import sys

import pytest

from cog import InvalidInput
from cog.loading import load
from tests.model_registry.runners.conftest import REGISTRY
from tests.tiny import language


@pytest.fixture(scope="module", autouse=True)
def modules():
    load(str(REGISTRY / "runners"), "text_generation.py:TextGeneration")


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    """The prompts of a tiny repository, and its tokenizer."""
    from transformers import AutoConfig, AutoTokenizer

    made = {}

    def prompts(repo):
        if repo not in made:
            folder = tmp_path_factory.mktemp("repo")
            language.TINY[repo](folder)
            tokenizer = AutoTokenizer.from_pretrained(folder)
            count = AutoConfig.from_pretrained(folder).vocab_size
            made[repo] = sys.modules["prompting"].Prompts(tokenizer, 2000, count), tokenizer
        return made[repo]

    return prompts


@pytest.fixture
def read(prompts):
    """What the model reads, as text."""

    def read(repo, *asked, **wishes):
        made, tokenizer = prompts(repo)
        return tokenizer.decode(made.tokens(*asked, **wishes))

    return read


LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
MISTRAL = "mistralai/Mistral-7B-Instruct-v0.2"
QWEN = "Qwen/Qwen3-0.6B"
GPT_OSS = "openai/gpt-oss-20b"
CODE_LLAMA = "meta-llama/CodeLlama-7b-hf"
STARCODER = "bigcode/starcoder2-3b"


def test_a_system_prompt_has_its_place_in_the_chat(read):
    text = read(LLAMA, "Hi", "Be brief.")
    assert text.startswith("<|begin_of_text|><|start_header_id|>system<|end_header_id|>")
    assert text.count("<|begin_of_text|>") == 1
    assert text.index("Be brief.<|eot_id|>") < text.index("Hi<|eot_id|>")


def test_where_the_chat_has_no_system_prompt_it_precedes_the_prompt_and_that_is_said(read, capsys):
    assert read(MISTRAL, "Hi", "Be brief.").endswith("[INST] Be brief.\n\nHi [/INST]")
    assert "has no system prompt" in capsys.readouterr().out


def test_a_template_takes_the_place_of_the_chat_and_begins_once(read):
    text = read(MISTRAL, "Hi {system_prompt}", "", "<s>[INST] {prompt} [/INST]")
    assert text.replace(" ", "") == "<s>[INST]Hi{system_prompt}[/INST]"
    text = read(LLAMA, "Hi", "Be brief.", "{system_prompt}\n{prompt}!")
    assert text == "Be brief.\nHi!"
    text = read(LLAMA, "Hi", "Fill {prompt} in.", "{system_prompt}\n{prompt}!")
    assert text == "Fill {prompt} in.\nHi!"


def test_a_template_of_nothing_but_the_prompt_is_the_chat(read):
    assert read(LLAMA, "Hi", "", "{prompt}") == read(LLAMA, "Hi")


def test_a_template_without_the_prompt_is_refused(read):
    with pytest.raises(InvalidInput, match="has no {prompt}"):
        read(LLAMA, "Hi", "", "[INST] prompt [/INST]")


def test_a_system_prompt_that_a_template_leaves_out_is_said(read, capsys):
    assert read(LLAMA, "Hi", "Be brief.", "> {prompt}") == "> Hi"
    assert "the system prompt is left out" in capsys.readouterr().out


def test_a_chat_is_asked_to_think_or_not(read):
    assert read(QWEN, "Hi").endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert read(QWEN, "Hi", enable_thinking=True).endswith("<|im_start|>assistant\n")
    assert "Reasoning: high" in read(GPT_OSS, "Hi", reasoning_effort="high")


def test_a_wish_that_no_format_asks_is_said(read, capsys):
    read(LLAMA, "Hi", enable_thinking=True, reasoning_effort="low")
    said = capsys.readouterr().out
    assert "enable_thinking has no effect" in said and "reasoning_effort has no effect" in said


def test_a_gap_is_put_as_the_family_was_taught(read, capsys):
    code = "def f(x):\n<FILL_ME>\n return y"
    assert read(STARCODER, code) == ("<fim_prefix>def f(x):\n<fim_suffix>\n return y<fim_middle>")
    text = read(CODE_LLAMA, code, "Be brief.")
    assert text == "<s> <PRE> def f(x):\n <SUF>\n return y <MID>"
    assert "are unused" in capsys.readouterr().out


def test_what_ends_a_gap_ends_the_text(prompts):
    made, tokenizer = prompts(CODE_LLAMA)
    assert made.ends == {tokenizer.convert_tokens_to_ids("▁<EOT>")}


@pytest.mark.parametrize(
    ("repo", "prompt", "said"),
    [
        (LLAMA, "a<FILL_ME>b", "cannot fill a gap"),
        ("meta-llama/CodeLlama-34b-Instruct-hf", "a<FILL_ME>b", "cannot fill a gap"),
        (STARCODER, "a<FILL_ME>b<FILL_ME>c", "has 2 gaps"),
        (LLAMA, "", "The prompt is empty"),
        (LLAMA, "x" * 200_000, r"The prompt has 2\d{5} tokens; this model holds 2000 in all"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_reason(read, repo, prompt, said):
    with pytest.raises(InvalidInput, match=said):
        read(repo, prompt)


EARLIER = [
    {"role": "user", "content": "My name is Ada."},
    {"role": "assistant", "content": "Hello Ada."},
]


@pytest.mark.parametrize("repo", [LLAMA, MISTRAL, QWEN, GPT_OSS])
def test_what_was_said_before_comes_before_the_prompt(read, repo):
    text = read(repo, "What is it?", "Be brief.", earlier=EARLIER)
    said = ["Be brief.", "My name is Ada.", "Hello Ada.", "What is it?"]
    places = [text.index(each) for each in said]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("earlier", "reason"),
    [
        (EARLIER[:1], "ends with the user"),
        (EARLIER[1:], "must have the role 'user'"),
        ([{"role": "user", "content": 1}], "number 1"),
        ([{}], "number 1"),
        ([{"role": "tool", "content": "x"}], "must have the role 'user'"),
    ],
)
def test_a_conversation_out_of_turn_is_refused(read, earlier, reason):
    with pytest.raises(InvalidInput, match=reason):
        read(LLAMA, "Hi", earlier=earlier)


@pytest.mark.parametrize("asked", [(STARCODER, "x = 1"), (LLAMA, "Hi", "", "[INST] {prompt}")])
def test_a_conversation_needs_a_chat_format(read, asked):
    with pytest.raises(InvalidInput, match="messages needs"):
        read(*asked, earlier=EARLIER)
