from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cog.loading import load

RUNNERS = Path(__file__).resolve().parents[3] / "model_registry" / "runners"


@pytest.fixture(scope="module")
def module():
    load(str(RUNNERS), "text_to_speech.py:TextToSpeech")
    return sys.modules["sentences"]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Hello there. ", "How are you? ", "Fine!"],
        ["Dr. Smith met J. R. Hill at 3.30 p.m. on 4th St. in Paris. ", "They talked."],
        ["Wir kommen am 3. Mai, z. B. um acht. ", "Gut."],
        ["He said: “Stop!” and stopped. ", "“Why?” ", "Nobody knew."],
        ["今日は晴れです。", "散歩に行きましょう！", "はい。"],
        ["यह पहला वाक्य है। ", "यह दूसरा है।"],
        ["كيف حالك؟ ", "أنا بخير."],
        ["Wait… ", "What was that?"],
        ["First line\n", "Second line\n", "- a point\n", "\nThe end"],
        ["a line that goes\non in the next. ", "Good."],
        ["no full stop at all"],
    ],
)
def test_a_text_is_cut_at_its_full_stops_only(module, sentences):
    assert [each.strip() for each in module.sentences("".join(sentences))] == [
        each.strip() for each in sentences
    ]


@pytest.mark.parametrize(
    "text",
    [
        "one two, three four; " * 300,
        "word " * 2000,
        "x" * 10_000,
        "字" * 3000,
        "Short. " * 1500,
        "\n\n. . .\n" * 50,
        "",
    ],
)
def test_pieces_are_bounded_and_lose_nothing(module, text):
    sentences = module.sentences(text)
    assert "".join(sentences) == text
    assert max(map(len, sentences), default=0) <= module.LONGEST
    groups = module.groups(text)
    assert "".join("".join(each) for each in groups) == text
    assert max(len("".join(each)) for each in groups) < 600 + 2 * module.LONGEST
    assert len(groups) < 40


def test_a_sentence_without_an_end_is_cut_at_a_pause(module):
    parts = module.sentences("one two three four five, six seven eight. ".replace(".", ",") * 40)
    assert all(part.rstrip().endswith(",") for part in parts if part.strip())
    parts = module.sentences("seven words with no pause in them " * 40)
    assert all(part.endswith(" ") for part in parts if part)


def test_the_first_group_is_short_and_the_text_does_not_end_in_a_scrap(module):
    groups = ["".join(each) for each in module.groups("This is one of many sentences. " * 40)]
    assert len(groups[0]) < 140 < len(groups[3])
    assert len(groups[-1]) > 40
