"""A model's thoughts are told from its answer, whole and in order, in both formats."""

from __future__ import annotations

import sys

import pytest

from cog.loading import load
from tests.model_registry.runners.conftest import REGISTRY
from tests.tiny import language


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    from transformers import AutoTokenizer

    load(str(REGISTRY / "runners"), "text_generation.py:TextGeneration")
    made = {}

    def tokenizer(make):
        if make not in made:
            folder = tmp_path_factory.mktemp("repo")
            make(folder)
            made[make] = AutoTokenizer.from_pretrained(folder)
        return made[make]

    return tokenizer


@pytest.fixture
def seen(tokenizers):
    """What is seen of a text that a model writes after `asked`."""

    def seen(make, text, asked="", show=False, stop=""):
        tokenizer = tokenizers(make)
        encode = tokenizer.encode
        output = sys.modules["reasoning"].Output(tokenizer, encode(asked), stop, show)
        pieces = [output.add(token) for token in encode(text)]
        return "".join([*pieces, output.rest()])

    return seen


TAGGED = "<think>\nSnow is white.\nFür alle.\n</think>\n\nIt is white ☃."
HARMONY = (
    "<|channel|>analysis<|message|>Snow is white.\nFür alle.<|end|><|start|>assistant"
    "<|channel|>final<|message|>It is white ☃.<|return|>"
)
ASKED = "<|start|>user<|message|>What colour?<|end|><|start|>assistant"
WAYS = [(language.qwen_3, TAGGED, ""), (language.gpt_oss, HARMONY, ASKED)]


@pytest.mark.parametrize(("make", "text", "asked"), WAYS)
def test_thoughts_go_to_the_log_and_only_the_answer_is_seen(seen, capsys, make, text, asked):
    assert seen(make, text, asked) == "It is white ☃."
    assert capsys.readouterr().out == "The model thinks:\nSnow is white.\nFür alle.\n"


@pytest.mark.parametrize(("make", "text", "asked"), WAYS)
def test_thoughts_that_are_to_be_shown_come_first_between_tags(seen, make, text, asked):
    shown = seen(make, text, asked, show=True)
    thought, _, answer = shown.partition("</think>\n\n")
    assert answer == "It is white ☃."
    assert thought.startswith("<think>") and "Snow is white.\nFür alle." in thought


def test_a_stop_sequence_ends_the_answer_and_no_thought(seen):
    assert seen(language.qwen_3, TAGGED, stop="Snow,white ") == "It is "


def test_a_chat_that_has_the_model_begin_with_thinking_is_understood(seen):
    text = "Hm.\n</think>\n\nYes."
    assert seen(language.qwen_3, text, "<|im_start|>assistant\n<think>\n") == "Yes."


def test_a_chat_that_asks_for_no_thoughts_is_understood(seen):
    asked = "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert seen(language.qwen_3, "Yes, <b>.", asked) == "Yes, <b>."


def test_a_text_cut_off_in_a_thought_has_no_answer(seen, capsys):
    assert seen(language.gpt_oss, "<|channel|>analysis<|message|>Well", ASKED) == ""
    assert "Well" in capsys.readouterr().out


def test_what_speaks_to_a_tool_is_no_answer(seen):
    text = "<|channel|>commentary to=functions.f<|message|>{}<|end|>" + HARMONY.partition("\n")[0]
    assert seen(language.gpt_oss, text, ASKED) == ""


@pytest.mark.parametrize("length", [1, 9])
@pytest.mark.parametrize("end", ["", "<|return|>"])
def test_a_model_that_has_lost_its_format_is_still_heard(seen, length, end):
    text = "It is white, I think. " * length
    assert seen(language.gpt_oss, text + end, ASKED) == text
