"""Letters turned into sounds, in the environment of Kokoro's packages: `test_own_environments` runs
this file there.
"""

from __future__ import annotations

import pytest

from tests.model_registry.runners.conftest import Model
from tests.tiny import cloning, voices

pytest.importorskip("kokoro", reason="its packages live in an environment of their own")


@pytest.fixture(scope="module")
def kokoro(tmp_path_factory):
    weights, english = tmp_path_factory.mktemp("kokoro"), tmp_path_factory.mktemp("english")
    voices.kokoro(weights / "it")
    cloning.english(english)
    return Model("voice_kokoro.py:Kokoro", weights / "it", parts={"english": str(english)})


@pytest.fixture
def sounds(kokoro):
    """A text's sounds in a language, in the pieces that are said at once."""

    def sounds(language, text):
        reader = kokoro.runner.readers.setdefault(language, kokoro.runner._reader(language))
        assert reader is not None
        return [
            piece
            if isinstance(piece, str)
            else "".join(word.phonemes + word.whitespace for word in piece)
            for piece in kokoro.runner._sounds(language, text)
        ]

    return sounds


def test_an_english_word_is_said_as_its_kind_is(sounds):
    (now,), (before,) = sounds("a", "I will read it now."), sounds("a", "I had read it before.")
    assert "ɹˈid" in now and "ɹˈɛd" in before


def test_american_and_british_voices_say_it_their_own_way(sounds):
    assert sounds("a", "A tomato.") != sounds("b", "A tomato.")


def test_a_word_that_no_dictionary_has_is_said_all_the_same(sounds):
    (said,) = sounds("a", "The zworbling.")
    assert "zwˈ" in said.replace("ɔ", "") or "zw" in said


def test_numbers_that_are_long_when_said_are_not_cut_off(sounds):
    numbers = "987654321 " * 30
    pieces = sounds("e", f"{numbers}fin")
    assert len(pieces) > 1 and all(len(piece) <= 510 for piece in pieces)
    once, end = sounds("e", "987654321")[0], sounds("e", "fin")[0]
    assert "".join(pieces).count(once[:8]) == 30 and pieces[-1].endswith(end)


def test_a_mandarin_text_without_spaces_is_said_whole(sounds):
    text = "今天天气很好我们去公园" * 30
    pieces = sounds("z", text)
    assert len(pieces) > 1 and all(0 < len(piece) <= 510 for piece in pieces)
    assert "".join(pieces).count("kʊ→ŋ") == 30


@pytest.mark.parametrize("voice", ["af_bella", "zf_xiaobei"])
def test_a_long_text_is_spoken_in_parts(kokoro, voice):
    text = "今天天气很好。" * 40 if voice[0] == "z" else "This is one of many sentences. " * 20
    kokoro.run(text=text, voice=voice, seed=1)
    done = [step for step, total, unit in kokoro.told.steps if unit == "part"]
    assert done == sorted(done) and done[-1] == kokoro.told.steps[-1][1] > 1


def test_japanese_says_which_packages_it_lacks(kokoro):
    with pytest.raises(
        ValueError, match="pyopenjtalk-plus, fugashi, jaconv, mojimoji, unidic-lite"
    ):
        kokoro.run(text="こんにちは", voice="jf_alpha")


def test_english_without_its_part_says_how_to_have_it(kokoro, tmp_path):
    voices.kokoro(tmp_path / "it")
    alone = Model("voice_kokoro.py:Kokoro", tmp_path / "it")
    with pytest.raises(ValueError, match="repo: spacy/en_core_web_sm"):
        alone.run(text="Hello.", voice="af_bella")
    assert alone.run(text="Hola.", voice="ef_dora")


def test_a_voice_that_is_not_there_is_refused_with_those_that_are(kokoro):
    with pytest.raises(ValueError, match="no voice 'am_puck' here. There are: af_bella, bf_emma"):
        kokoro.run(text="Hello.", voice="am_puck")


def test_what_has_nothing_to_say_is_refused(kokoro):
    with pytest.raises(ValueError, match="empty"):
        kokoro.run(text=" \n", voice="ef_dora")
