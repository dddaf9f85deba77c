from __future__ import annotations

import pytest
from PIL import Image

from tests.model_registry.runners.conftest import REGISTRY, Model
from tests.tiny import hub_repos

CAT = REGISTRY / "catalogue" / "pictures" / "cat.jpg"
MAKERS = {"relative": hub_repos.depth_anything, "metres": hub_repos.glpn}


def seen(path):
    with Image.open(path) as picture:
        picture.load()
    return picture


@pytest.fixture(scope="module", params=MAKERS)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    MAKERS[request.param](folder)
    made = Model("depth_estimation.py:DepthEstimation", folder)
    made.in_metres = request.param == "metres"
    return made


def test_depth_is_a_picture_as_large_as_the_given_one(model):
    depth = seen(model.run(image=str(CAT)))
    assert depth.size == seen(CAT).size and depth.mode == "L"
    assert depth.getextrema() == (0, 255)
    assert ("nearest_metres" in model.told.metrics) == model.in_metres


def test_depth_can_be_fine_or_in_colours(model):
    fine = seen(model.run(image=str(CAT), output="grey, 16 bits"))
    assert fine.mode == "I;16" and fine.getextrema() == (0, 65535)
    assert seen(model.run(image=str(CAT), output="colours")).mode == "RGB"


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (900, 40)])
def test_pictures_of_any_size_are_taken(model, tmp_path, size):
    Image.new("RGB", size, "red").save(tmp_path / "picture.png")
    assert seen(model.run(image=str(tmp_path / "picture.png"))).size == size


def test_what_is_no_picture_is_refused(model, tmp_path):
    (tmp_path / "picture.png").write_text("no picture")
    with pytest.raises(ValueError, match="image is no picture"):
        model.run(image=str(tmp_path / "picture.png"))
