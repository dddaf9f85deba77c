"""The shipped music starter passes its bars on pieces it was not measured with before."""

from __future__ import annotations

import numpy as np
import pytest

from model_registry.starter.train import melody
from model_registry.starter.train.training import STARTERS

COUNT = 8


@pytest.mark.heavy
def test_what_was_asked_for_is_heard_and_the_notes_are_in_the_scale():
    figures = melody.evaluate(STARTERS / "melody", seed=20, count=COUNT)
    for name, (lowest, highest) in melody.BARS.items():
        one_of_few = 1 / COUNT if name in ("key right", "tempo right") else 0
        assert lowest - one_of_few <= figures[name] <= highest, f"{name} is {figures[name]:.3f}"


def tones(pitches, seconds=0.5):
    """A chord after each beat of a minute's half, as sines that die away."""
    time = np.arange(round(seconds * melody.RATE)) / melody.RATE
    beats = [
        sum(np.sin(2 * np.pi * 440 * 2 ** ((each - 69) / 12) * time) for each in chord)
        * np.exp(-6 * time)
        for chord in pitches
    ]
    return np.concatenate(beats).astype(np.float32)


@pytest.mark.parametrize("tonic", [0, 3, 7])
def test_the_judge_hears_the_key_of_plain_chords(tonic):
    # Tonic, fourth, fifth, tonic.
    major = [(60, 64, 67), (65, 69, 72), (67, 71, 74), (60, 64, 67)] * 6
    minor = [(60, 63, 67), (65, 68, 72), (67, 71, 74), (60, 63, 67)] * 6
    name = melody.NAMES[tonic]
    for chords, mode in ((major, "major"), (minor, "minor")):
        moved = [[pitch + tonic for pitch in chord] for chord in chords]
        assert melody.heard_key(tones(moved)) == f"{name} {mode}"


@pytest.mark.parametrize("tempo", [64, 100, 150])
def test_the_judge_hears_the_tempo_of_plain_beats(tempo):
    beats = [(60, 64, 67)] * 24
    assert melody.heard_tempo(tones(beats, 60 / tempo)) == pytest.approx(tempo, rel=0.02)
