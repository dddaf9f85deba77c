"""Which words of a prompt a toy does not know."""

from __future__ import annotations

import sys

import pytest

from model_registry.spec_files import RUNNERS

sys.path.append(str(RUNNERS))
import taught


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "taught.txt").write_text("a red circle on don't\n")
    return str(tmp_path)


def test_words_that_were_taught_are_known_however_they_are_written(toy):
    assert taught.unknown("A RED circle, on… don't!", toy) == ["…"]


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a red elephant and an elephant", ["elephant", "and", "an"]),
        ("🙂 circle 🎉🎉", ["🙂", "🎉🎉"]),
        ("赤い circle", ["赤い"]),
        ("круг", ["круг"]),
        ("", []),
    ],
)
def test_what_was_not_taught_is_found_once_in_any_script(toy, prompt, words):
    assert taught.unknown(prompt, toy) == words


def test_what_is_unknown_and_what_is_known_is_told(toy, capsys):
    taught.tell_unknown("a blue circle", toy)
    told = capsys.readouterr().out
    assert "never taught: blue." in told
    assert "It knows: a, circle, don't, on, red." in told


def test_a_page_of_unknown_words_stays_short(toy, capsys):
    taught.tell_unknown(" ".join(f"word{i}" * 20 for i in range(3000)), toy)
    told = capsys.readouterr().out
    assert "and 2988 more" in told
    assert len(told) < 600


def test_a_model_that_was_taught_a_language_says_nothing(tmp_path, capsys):
    taught.tell_unknown("anything at all", str(tmp_path))
    assert capsys.readouterr().out == ""
