"""What the page says of a model before anybody runs it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components import facts
from model_registry.spec import Licence, Rung, Weights


@pytest.fixture
def model(catalog):
    return catalog.find("local/echo")


def with_version(model, **changes):
    return replace(model, versions=(replace(model.latest, **changes),))


def test_trouble_with_the_licence_comes_first_and_the_download_is_counted(model):
    weights = (Weights("", "a/b", size=30 * 10**9), Weights("vae", "a/c", size=4 * 10**9))
    shown = replace(
        with_version(model, weights=weights),
        licence=Licence("NC", non_commercial=True),
        stand_in_for="It is closed.",
    )
    badges = facts.badges(shown)
    assert badges == [
        ("trouble", "NC · non-commercial"),
        ("trouble", "stand-in"),
        ("plain", "34.0 GB"),
    ]


def test_one_repository_for_two_parts_is_downloaded_once(model):
    weights = (Weights("", "a/b", size=10), Weights("unet", "a/b", size=10))
    assert facts.download_size(with_version(model, weights=weights).latest) == 10


def test_who_answers_for_closed_weights_and_what_was_never_run_are_said(model):
    shown = replace(model, stand_in_for="It is closed; B answers to its name.", verified="tiny")
    html = facts.model_html(shown, shown.latest)
    assert "It is closed; B answers to its name." in html
    assert "not yet run on its real weights" in html
    assert "not yet run" not in facts.model_html(replace(model, verified="weights"), model.latest)


def test_a_ladder_says_the_least_and_the_most_memory(model):
    ladder = (Rung("bf16", 34 * 10**9), Rung("4bit", 15 * 10**9))
    shown = with_version(model, ladder=ladder)
    assert "about 15.0 GB to 34.0 GB of memory" in facts.model_html(shown, shown.latest)
