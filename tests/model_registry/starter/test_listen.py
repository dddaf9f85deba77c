"""The shipped weights against their bars, on a fresh seed."""

from __future__ import annotations

import pytest

from model_registry.starter.train import listen
from model_registry.starter.train.training import STARTERS


@pytest.mark.heavy
def test_voices_that_it_never_heard_are_understood():
    figures = listen.evaluate(STARTERS / "listen", seed=20, count=8)
    for name, (lowest, highest) in listen.BARS.items():
        assert lowest <= figures[name] <= highest, f"{name} is {figures[name]:.3f}"
