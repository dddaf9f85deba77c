from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.model_registry.runners.conftest import REGISTRY, Model
from tests.tiny import hub_repos

CAT = REGISTRY / "catalogue" / "pictures" / "cat.jpg"
SEGMENTS = "image_segmentation.py:ImageSegmentation"


def seen(path):
    with Image.open(path) as picture:
        picture.load()
    return picture


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("segformer")
    hub_repos.segformer(folder)
    return Model(SEGMENTS, folder)


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mask2former")
    hub_repos.mask2former(folder)
    return Model(SEGMENTS, folder)


def test_every_point_belongs_to_a_kind(kinds):
    made = kinds.run(image=str(CAT))
    mask = np.asarray(seen(made["mask"]))
    assert mask.shape[::-1] == seen(CAT).size
    assert {each["value"] for each in made["segments"]} == set(np.unique(mask).tolist())
    for each in made["segments"]:
        assert each["label"] in ("wall", "floor", "cat") and each["score"] is None
        assert each["share"] == pytest.approx(float((mask == each["value"]).mean()), abs=1e-4)
    shares = [each["share"] for each in made["segments"]]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1, abs=1e-3)
    assert seen(made["image"]).size == seen(CAT).size


def test_opacity_decides_how_far_the_picture_is_covered(kinds):
    made = kinds.run(image=str(CAT), opacity=0)
    assert (np.asarray(seen(made["image"])) == np.asarray(seen(CAT))).all()


@pytest.mark.parametrize("way", ["auto", "panoptic", "instance"])
def test_things_come_with_how_sure_the_model_is(things, way):
    (thing,) = things.run(image=str(CAT), way=way)["segments"]
    assert thing["label"] == "cat" and thing["score"] > 0.9


def test_one_model_can_do_it_several_ways(things):
    assert things.run(image=str(CAT), way="semantic")["segments"][0]["score"] is None


def test_a_way_that_a_model_cannot_go_is_refused(kinds):
    with pytest.raises(ValueError, match="way is 'panoptic'; this model can do auto and semantic"):
        kinds.run(image=str(CAT), way="panoptic")


def test_nothing_found_is_said(things, capsys):
    made = things.run(image=str(CAT), threshold=1)
    assert made["segments"] == [] and "Found nothing" in capsys.readouterr().out
    assert not np.asarray(seen(made["mask"])).any()


@pytest.mark.parametrize("size", [(1, 1), (3, 200)])
def test_pictures_of_any_size_are_taken(kinds, tmp_path, size):
    Image.new("RGB", size, "red").save(tmp_path / "picture.png")
    made = kinds.run(image=str(tmp_path / "picture.png"))
    assert seen(made["mask"]).size == size


def test_what_is_no_picture_is_refused(kinds, tmp_path):
    (tmp_path / "picture.png").write_text("no picture")
    with pytest.raises(ValueError, match="image is no picture"):
        kinds.run(image=str(tmp_path / "picture.png"))
