from __future__ import annotations

import sys

import pytest


@pytest.fixture
def text(plain_llama):
    return sys.modules["text_pieces"].WholeCharacters(plain_llama.runner.tokenizer)


@pytest.fixture
def encode(plain_llama):
    return plain_llama.runner.tokenizer.encode


def test_a_character_that_spans_tokens_is_never_cut(text, encode):
    whole = "Zoë says 日本 🙂!"
    pieces = [text.add(token) for token in encode(whole)]
    assert "".join(pieces) == whole
    assert [piece for piece in pieces if piece] == list(whole)


def test_a_character_cut_off_by_the_end_is_left_out(text, encode):
    assert "".join(text.add(token) for token in encode("a🙂")[:-1]) == "a"
    assert text.rest() == ""
