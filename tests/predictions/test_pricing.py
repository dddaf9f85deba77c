"""What a second costs."""

from __future__ import annotations

import pytest

from predictions.pricing import rate
from settings import GPU_RATE, HARDWARE_RATES


@pytest.mark.parametrize(
    ("hardware", "an_hour"),
    [
        ("cpu", HARDWARE_RATES["cpu"]),
        ("Tesla T4", HARDWARE_RATES["Tesla T4"]),
        ("NVIDIA Unheard-of", GPU_RATE),
        ("2 × Tesla T4", 2 * HARDWARE_RATES["Tesla T4"]),
        ("8 × NVIDIA Unheard-of", 8 * GPU_RATE),
    ],
)
def test_several_cards_cost_as_many_times_one(hardware, an_hour):
    assert rate(hardware) == pytest.approx(an_hour / 3600)
