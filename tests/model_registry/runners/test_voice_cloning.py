from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from cog import InvalidInput
from model_registry.spec_files import RUNNERS

sys.path.append(str(RUNNERS))
import voice_cloning
from recording import sample
from voice_cloning import HEARD, cleaned

VOICE = RUNNERS.parent / "starter" / "listen" / "lights.wav"


def test_a_voice_is_cleaned_of_steady_noise_and_keeps_its_length():
    voice = sample(VOICE, HEARD, 30)
    noise = np.random.default_rng(0).normal(0, 0.02, voice.shape).astype(np.float32)
    hum = 0.1 * np.sin(2 * np.pi * 40 * np.arange(voice.shape[-1]) / HEARD)
    clean = cleaned(voice + noise + hum, HEARD)
    assert clean.shape == voice.shape and clean.dtype == np.float32
    before, after = np.square(noise + hum).mean(), np.square(clean - voice).mean()
    assert after < before / 4


def test_of_a_long_recording_the_beginning_is_used(capsys):
    assert sample(VOICE, HEARD, 1, name="speaker").shape == (1, HEARD)
    assert "Of speaker, only the first 1 seconds are used." in capsys.readouterr().out


class Reads:
    """A network's tokenizer: a token a letter, ten a digit, and no word for what is very large."""

    char_limits = {"en": 60}

    def encode(self, text, lang):
        if "999" in text:
            raise OverflowError
        return [*text] + [0] * 9 * sum(each.isdigit() for each in text)


@pytest.fixture
def cloning():
    runner = voice_cloning.VoiceCloning()
    runner.model = SimpleNamespace(tokenizer=Reads(), args=SimpleNamespace(gpt_max_text_tokens=100))
    return lambda text: list(runner._parts(text, "en"))


def test_a_text_is_parted_into_whole_sentences_that_fit(cloning):
    text = "The first one. The second is here. Then comes a third. A fourth."
    assert cloning(text) == ["The first one. The second is here. Then comes a third.", "A fourth."]
    assert cloning(" One.\n") == ["One."]


def test_a_sentence_that_is_too_long_is_parted_between_words(cloning):
    parts = cloning("word " * 100)
    assert " ".join(parts) == ("word " * 100).strip()
    assert all(len(part) < 60 for part in parts)


def test_what_few_letters_say_at_length_is_parted_too(cloning):
    parts = cloning("12345 " * 9)
    assert len(parts) > 4 and " ".join(parts).split() == ["12345"] * 9


def test_a_number_that_cannot_be_read_out_is_named(cloning):
    with pytest.raises(InvalidInput, match="'It is 999' cannot be read out .* Write it in words"):
        cloning("It is 999")


def test_too_little_sound_and_silence_are_no_voice():
    with pytest.raises(InvalidInput, match="0.05 seconds of sound"):
        voice_cloning._refuse_no_voice(np.ones((1, 1_000)))
    with pytest.raises(InvalidInput, match="silent in its first 30 seconds"):
        voice_cloning._refuse_no_voice(np.zeros((1, HEARD)))
    voice_cloning._refuse_no_voice(sample(VOICE, HEARD, 30))
