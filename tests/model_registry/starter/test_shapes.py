"""The shipped image starter passes its bar on captions it was not measured with before."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from model_registry.starter.train import shapes
from model_registry.starter.train.training import STARTERS

pytestmark = pytest.mark.filterwarnings(
    # diffusers hands torch tensors to numpy in a way that numpy 2 is about to drop.
    "ignore:__array__ implementation:DeprecationWarning",
    "ignore:The configuration file of this scheduler:FutureWarning",
)


def test_the_checker_tells_the_generators_own_pictures_apart():
    rng = random.Random(3)
    scenes = [shapes.make_scene(rng) for _ in range(64)]
    assert shapes.score(scenes, shapes.as_arrays(shapes.render(scenes)))["all right"] == 1


def test_the_checker_sees_nothing_where_nothing_is():
    assert shapes.see(np.full((64, 64, 3), 240.0)) is None


def test_shapes_draws_what_was_asked_for():
    figures = shapes.evaluate(STARTERS / "shapes", seed=2026, count=24)
    lowest, _ = shapes.BARS["all right"]
    assert figures["all right"] >= lowest, figures


@pytest.mark.heavy
def test_a_negative_prompt_keeps_a_colour_away():
    captions = ["a circle on a white background"] * 16
    plain = colours(shapes.draw(STARTERS / "shapes", captions, seed=1))
    favourite, times = plain.most_common(1)[0]
    name = list(shapes.COLOURS)[favourite]
    shunned = colours(shapes.draw(STARTERS / "shapes", captions, seed=1, negative=name))
    assert shunned[favourite] <= times / 2, (name, plain, shunned)


def colours(pictures):
    """How many of the pictures show a thing of which colour."""
    seen = [found for picture in pictures if (found := shapes.see(picture))]
    return Counter(colour for _, colour, _ in seen)
