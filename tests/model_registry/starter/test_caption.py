"""The shipped captions pass their bar on pictures that the model was not measured with before."""

from __future__ import annotations

import random

from model_registry.starter.train import caption
from model_registry.starter.train.training import STARTERS


def test_captions_name_what_is_there():
    figures = caption.evaluate(STARTERS / "caption", seed=2026, count=60)
    for name, (lowest, highest) in caption.BARS.items():
        assert lowest <= figures[name] <= highest, figures


def test_every_scene_has_a_caption_made_of_words_that_are_taught():
    rng = random.Random(4)
    said = {caption.caption(caption.make_scene(rng)) for _ in range(2000)}
    words = {word for each in said for word in each.replace(",", " ,").split()}
    assert words <= set(caption.WORDS)
