from __future__ import annotations

import sys

import numpy as np
import pytest

from model_registry.spec_files import RUNNERS

sys.path.append(str(RUNNERS))
from loudness import STRATEGIES, loudness, normalised


def tone(rate, level, seconds=3):
    return level * np.sin(2 * np.pi * 997 * np.arange(seconds * rate) / rate)[None]


@pytest.mark.parametrize("rate", [16_000, 32_000, 48_000])
def test_loudness_is_what_the_norm_says_of_its_tone(rate):
    assert loudness(tone(rate, 1), rate) == pytest.approx(-3.01, abs=0.1)
    assert loudness(tone(rate, 0.1), rate) == pytest.approx(-23.01, abs=0.1)


def test_silence_does_not_count():
    sound = np.concatenate([tone(32_000, 0.1), np.zeros((1, 320_000))], axis=1)
    assert loudness(sound, 32_000) == pytest.approx(-23, abs=0.3)


def test_each_strategy_reaches_its_level():
    sound = tone(32_000, 0.05)
    assert loudness(normalised(sound, 32_000, "loudness"), 32_000) == pytest.approx(-14, abs=0.3)
    assert np.abs(normalised(sound, 32_000, "peak")).max() == pytest.approx(10 ** (-1 / 20))
    assert np.sqrt(np.square(normalised(sound, 32_000, "rms")).mean()) == pytest.approx(
        10 ** (-18 / 20), rel=0.01
    )
    assert np.array_equal(normalised(sound, 32_000, "clip"), sound)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_gets_too_loud_and_silence_stays(strategy):
    assert np.abs(normalised(tone(32_000, 9), 32_000, strategy)).max() <= 1
    assert not normalised(np.zeros((2, 32_000)), 32_000, strategy).any()
