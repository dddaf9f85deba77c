"""The starters as a pack: small enough for a clone and a Space, each with card and recipe."""

from __future__ import annotations

import importlib

import pytest

from model_registry.starter.train.table import RECIPES, shipped
from model_registry.starter.train.training import STARTERS

MB = 1_000_000


def weights():
    return [path for path in STARTERS.rglob("*") if path.is_file() and "train" not in path.parts]


def test_no_file_is_too_large_for_a_space_and_the_pack_is_small():
    assert [str(path) for path in weights() if path.stat().st_size >= 10 * MB] == []
    assert sum(path.stat().st_size for path in weights()) < 60 * MB


def test_every_starter_with_weights_has_a_recipe():
    folders = {path.name for path in STARTERS.iterdir() if path.is_dir()} - {"train", "speak"}
    assert folders - {"__pycache__"} <= set(RECIPES)


@pytest.mark.parametrize("name", shipped())
def test_a_recipe_says_which_bars_its_model_has_to_pass(name):
    recipe = importlib.import_module(f"model_registry.starter.train.{name}")
    assert recipe.BARS and all(low <= high for low, high in recipe.BARS.values())
    assert f"model_registry.starter.train.{name}" in recipe.__doc__


@pytest.mark.parametrize("name", shipped())
def test_a_card_says_what_it_is_how_it_was_made_and_how_well_it_does(name):
    card = (STARTERS / name / "README.md").read_text()
    said = ("toy", "Data", "Training", "cannot", "Licence", "Measured", "make evaluate")
    assert [word for word in said if word.lower() not in card.lower()] == []
