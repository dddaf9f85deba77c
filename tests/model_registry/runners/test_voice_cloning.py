from __future__ import annotations

import sys

import numpy as np

from model_registry.spec_files import RUNNERS

sys.path.append(str(RUNNERS))
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
