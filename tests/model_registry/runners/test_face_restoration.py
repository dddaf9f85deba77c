from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cog import InvalidInput
from tests.model_registry.runners.conftest import Model
from tests.tiny.restoration import MARKS, TINY

REMARK = "Another answers in its place."


@pytest.fixture(scope="module")
def restore(tmp_path_factory):
    folders = {}
    for repo, make in TINY.items():
        folders[repo] = tmp_path_factory.mktemp(repo.replace("/", "--"))
        make(folders[repo])
    return Model(
        "face_restoration.py:FaceRestoration",
        folders["facefusion/models-3.0.0"],
        parts={
            "finder": str(folders["opencv/face_detection_yunet"]),
            "background": str(folders["jhj0517/realesr-general-x4v3"]),
        },
        networks={"v1.4": "gfpgan_1.4.onnx", "v1.3": "gfpgan_1.3.onnx"},
        remarks={"v1.3": REMARK},
    )


@pytest.fixture
def group(tmp_path):
    """Two faces, as the tiny finder takes them to be: red cells."""
    image = Image.new("RGB", (320, 240), (40, 60, 200))
    for left, top in ((64, 80), (224, 128)):
        ImageDraw.Draw(image).rectangle((left, top, left + 16, top + 16), fill=(255, 0, 0))
    image.save(tmp_path / "in.png")
    return str(tmp_path / "in.png")


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), int)


def test_each_face_is_restored_in_a_picture_of_the_size_asked_for(restore, group):
    made = pixels(restore.run(img=group, scale=1.5))
    assert made.shape == (360, 480, 3) and restore.told.metrics["faces"] == 2
    # The tiny network turns the red of the cells into its opposite.
    for x, y in ((72, 88), (232, 136)):
        assert made[int(1.5 * y), int(1.5 * x), 0] < 60


def test_versions_differ_and_say_what_is_to_be_said_of_them(restore, group, capsys):
    best, other = (
        pixels(restore.run(img=group, version=each, scale=1)) for each in ("v1.4", "v1.3")
    )
    assert (best != other).any() and REMARK in capsys.readouterr().out
    assert (best == pixels(restore.run(img=group, scale=1))).all(), "the first is the usual one"


def test_a_face_is_turned_upright_and_put_back_where_it_was():
    faces = sys.modules["faces"]
    angle = np.radians(25)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    marks = np.array(MARKS) * 1.7 @ turn.T + (300, 200)
    placed = faces.Placement(faces._similarity(marks))
    found = faces._moved(placed.matrix, marks)
    assert np.abs(found - faces.EYES_NOSE_MOUTH).max() < 25
    picture = Image.effect_noise((640, 480), 60).convert("RGB").resize((640, 480))
    picture = picture.resize((80, 60)).resize((640, 480), Image.Resampling.BICUBIC)
    canvas = Image.new("RGB", (1280, 960))
    placed.put(placed.upright(picture), canvas, 2)
    put, there = np.asarray(canvas.reduce(2), int), np.asarray(picture, int)
    near = np.hypot(*(np.indices((480, 640)) - np.array([200, 300])[:, None, None])) < 40
    assert np.abs(put - there)[near].mean() < 4


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"scale": 0}, "scale is 0"),
        ({"scale": 11}, "at most 10"),
        ({"version": "v9"}, "allowed are v1.4, v1.3"),
    ],
)
def test_what_makes_no_sense_is_refused(restore, group, inputs, said):
    with pytest.raises(InvalidInput, match=said):
        restore.run(img=group, **inputs)


@pytest.mark.parametrize("size", [(1, 1), (3, 900)])
def test_pictures_too_small_for_a_face_are_only_enlarged(restore, tmp_path, capsys, size):
    Image.new("RGB", size, "red").save(tmp_path / "in.png")
    made = pixels(restore.run(img=str(tmp_path / "in.png")))
    assert made.shape == (2 * size[1], 2 * size[0], 3)


def test_a_picture_with_too_many_pixels_is_refused(restore, tmp_path):
    Image.new("1", (12_000, 12_000)).save(tmp_path / "in.png")
    with pytest.raises(InvalidInput, match="img has 12000 × 12000 pixels"):
        restore.run(img=str(tmp_path / "in.png"))
