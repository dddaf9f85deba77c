"""The shipped cutter passes its bar on scenes that it has not been measured with before."""

from __future__ import annotations

from model_registry.starter.train import cutout
from model_registry.starter.train.training import STARTERS


def test_cutout_finds_what_stands_out():
    figures = cutout.evaluate(STARTERS / "cutout", seed=2026, count=90)
    lowest, _ = cutout.BARS["IoU"]
    assert figures["IoU"] >= lowest, figures
