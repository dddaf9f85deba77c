"""The checker that the recipe of the video starter is measured with. No weights ship yet."""

from __future__ import annotations

import random

import numpy as np

from model_registry.starter.train import motion, shapes


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
