from __future__ import annotations

import sys

import numpy as np
import pytest

from model_registry.spec_files import RUNNERS

sys.path.append(str(RUNNERS))
from spoken_sound import KEPT, RATE, SpokenSound

MINUTE = np.arange(60 * RATE, dtype=np.float32)


@pytest.fixture
def sound():
    """Of the minute that begins at 100 seconds, in which somebody speaks three times."""
    sound = SpokenSound()
    sound.add(MINUTE, 100, [(1, 3), (4, 6), (50, 55)], shorten=True)
    return sound


def test_long_silences_are_left_out_and_short_ones_stay(sound):
    assert sound.seconds == pytest.approx(5 + 2 * KEPT + 5 + 2 * KEPT)
    begin, end = sound.spoken[2]
    assert sound.samples[round(begin * RATE)] == 50 * RATE
    assert sound.samples[round(end * RATE)] == 55 * RATE


def test_each_moment_has_its_time_in_the_recording(sound):
    assert np.allclose(sound.recorded, [(101, 103), (104, 106), (150, 155)])
    cut = 5 + 2 * KEPT
    assert sound.time(cut) == pytest.approx(150 - KEPT)
    assert sound.time(cut, ends=True) == pytest.approx(106 + KEPT)


def test_what_was_understood_is_dropped_and_the_rest_keeps_its_time(sound):
    sound.drop(sound.spoken[1][0] - 0.1)
    assert np.allclose(sound.recorded, [(104, 106), (150, 155)])
    assert sound.samples[0] == pytest.approx(3.9 * RATE, abs=1)
    sound.add(MINUTE, 160, [(2, 3)], shorten=True)
    assert np.allclose(sound.recorded, [(104, 106), (150, 155), (162, 163)])
    sound.drop(sound.seconds)
    assert (sound.seconds, sound.spoken) == (0, [])
    sound.add(MINUTE, 220, [], shorten=False)
    assert (sound.seconds, sound.time(30), sound.time(0, ends=True)) == (60, 250, 220)


def test_silence_alone_leaves_nothing():
    sound = SpokenSound()
    sound.add(MINUTE, 0, [], shorten=True)
    assert (sound.seconds, sound.recorded) == (0, [])
