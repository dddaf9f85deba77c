"""The shipped video starter passes its bar on clips it was not measured with before."""

from __future__ import annotations

import random

import numpy as np
import pytest

from model_registry.starter.train import motion, shapes
from model_registry.starter.train.training import STARTERS


def rendered(clip):
    return np.stack(shapes.as_arrays(shapes.render(clip.frames())))


def test_the_checker_follows_the_generators_own_clips():
    rng = random.Random(3)
    clips = [motion.make_clip(rng) for _ in range(40)]
    figures = motion.score(clips, [rendered(clip) for clip in clips])
    assert set(figures.values()) == {1}, figures


def test_the_checker_sees_the_opposite_in_a_clip_that_runs_backwards():
    rng = random.Random(4)
    for clip in [motion.make_clip(rng) for _ in range(20)]:
        seen = motion.follow(rendered(clip)[::-1])
        assert seen.motion == motion.BACKWARDS[clip.motion] == clip.backwards().motion


def test_the_checker_sees_nothing_where_nothing_is():
    assert motion.follow(np.full((8, 64, 64, 3), 240.0)) is None


# diffusers hands torch tensors to numpy in a way that numpy 2 is about to drop.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.heavy
def test_motion_goes_where_it_was_told_to():
    figures = motion.evaluate(STARTERS / "motion", seed=2026, count=8)
    lowest, _ = motion.BARS["direction"]
    assert figures["direction"] >= lowest, figures
