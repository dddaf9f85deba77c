"""The shipped enlarger beats interpolation on drawings and does no harm to photos."""

from __future__ import annotations

from model_registry.starter.train import enlarge
from model_registry.starter.train.training import STARTERS


def test_enlarge_passes_its_bars():
    figures = enlarge.evaluate(STARTERS / "enlarge", seed=2026, count=12)
    for figure, (lowest, highest) in enlarge.BARS.items():
        assert lowest <= figures[figure] <= highest, (figure, figures)
