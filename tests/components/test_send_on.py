"""Which models a result can go to, and into which of their inputs."""

from __future__ import annotations

import pytest

from components import send_on
from components.output_views import ViewKind
from model_registry.catalog import Catalog


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return Catalog.load([], tmp_path_factory.mktemp("described"))


def test_a_picture_goes_to_what_takes_pictures(catalog):
    names = [name for _, name in send_on.choices(catalog.models(), ViewKind.IMAGE)]
    assert names[0] == ""
    assert {"starter/enlarge", "starter/caption"} <= set(names)
    assert "starter/story" not in names


def test_what_no_input_takes_goes_nowhere(catalog):
    assert send_on.choices(catalog.models(), ViewKind.MODEL) == [send_on.NOWHERE]


def test_a_recording_goes_into_the_input_for_recordings(catalog):
    assert send_on.input_for(catalog.find("starter/listen").latest, ViewKind.AUDIO) == "audio"
    assert send_on.input_for(catalog.find("starter/listen").latest, ViewKind.IMAGE) is None
