from __future__ import annotations

import sys

import pytest

from tests.model_registry.runners.conftest import REGISTRY

sys.path.append(str(REGISTRY / "runners"))

import aspect_ratios


@pytest.mark.parametrize("ratio", aspect_ratios.SIZES)
def test_each_ratio_has_about_a_megapixel_and_about_its_shape(ratio):
    width, height = aspect_ratios.size_of(ratio)
    wide, high = map(int, ratio.split(":"))
    assert width * height == pytest.approx(1024**2, rel=0.08)
    assert width / height == pytest.approx(wide / high, rel=0.04)


def test_a_quarter_of_a_megapixel_is_half_as_wide_and_high():
    for ratio, (width, height) in aspect_ratios.SIZES.items():
        assert aspect_ratios.size_of(ratio, 0.25) == (width // 2, height // 2)


def test_sizes_of_a_models_own_are_brought_to_its_multiple():
    sizes = {"4:3": (1472, 1140)}
    assert aspect_ratios.size_of("4:3", sizes=sizes, multiple=16) == (1472, 1136)


@pytest.mark.parametrize(
    ("given", "drawn"),
    [
        ((1024, 768), (1024, 768)),
        ((1010, 700), (1008, 704)),
        ((4000, 3000), (1440, 1088)),
        ((1, 1), (256, 256)),
        ((300, 3), (1440, 256)),
        ((20, 8000), (256, 1440)),
    ],
)
def test_what_is_drawn_over_a_picture_has_its_size_as_near_as_may_be(given, drawn):
    assert aspect_ratios.size_like(*given) == drawn


def test_a_size_by_area_keeps_the_shape_up_to_four_to_one():
    assert aspect_ratios.size_of_area(300, 150, 0.25) == (720, 368)
    assert aspect_ratios.size_of_area(9000, 10) == (2048, 512)
