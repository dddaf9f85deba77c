from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest
from PIL import Image

from cog import CancelationException
from tests.model_registry.runners.conftest import REGISTRY, Model, Told


@pytest.fixture(scope="module")
def solid():
    return Model("text_to_solid.py:TextToSolid", REGISTRY / "starter" / "solid")


class Glb:
    """A GLB file, read by the letter of its specification: its JSON, and arrays by name."""

    def __init__(self, data):
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        self.json = json.loads(data[20 : 20 + size])
        self._binary = data[28 + size :]
        (mesh,) = self.json["meshes"]
        (self.primitive,) = mesh["primitives"]
        (node,) = [each for each in self.json["nodes"] if "mesh" in each]
        assert not {"rotation", "scale", "translation"} & node.keys()
        assert np.allclose(node.get("matrix", np.eye(4).ravel()), np.eye(4).ravel())

    def read(self, accessor):
        told = self.json["accessors"][accessor]
        view = self.json["bufferViews"][told["bufferView"]]
        kind = {5121: np.uint8, 5125: np.uint32, 5126: np.float32}[told["componentType"]]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[told["type"]]
        start = view.get("byteOffset", 0) + told.get("byteOffset", 0)
        found = np.frombuffer(self._binary, kind, told["count"] * width, start)
        return found.reshape(-1, width)

    def attribute(self, name):
        return self.read(self.primitive["attributes"][name])

    @property
    def triangles(self):
        corners = self.read(self.primitive["indices"]).reshape(-1, 3)
        return self.attribute("POSITION")[corners].astype(float)


def made(solid, prompt, **inputs):
    return Glb(solid.run(prompt=prompt, **{"resolution": 48, **inputs}).read_bytes())


def test_a_tall_cone_stands_on_its_base_and_is_centred(solid):
    points = made(solid, "a tall red cone").attribute("POSITION")
    low, high = points.min(0), points.max(0)
    assert np.allclose(low + high, 0, atol=1e-3)
    assert high[1] > 1.3 * high[0] > 0.3
    tip, base = points[points[:, 1] > 0.9 * high[1]], points[points[:, 1] < 0.9 * low[1]]
    assert np.abs(tip[:, [0, 2]]).max() < 0.5 * np.abs(base[:, [0, 2]]).max()


def test_its_triangles_face_outward_and_its_normals_too(solid):
    ball = made(solid, "a blue ball")
    a, b, c = np.moveaxis(ball.triangles, 1, 0)
    assert (np.cross(b - a, c - a) * a).sum() > 0
    points, normals = ball.attribute("POSITION"), ball.attribute("NORMAL")
    out = points / np.linalg.norm(points, axis=1, keepdims=True)
    assert (out * normals).sum(1).mean() > 0.95


def test_colours_are_written_as_light_and_not_as_a_screen_takes_them(solid):
    orange = made(solid, "an orange cube").attribute("COLOR_0").mean(0) / 255
    assert np.allclose(orange[:3], [0.905, 0.262, 0.014], atol=0.1)
    assert orange[3] == 1


def test_its_material_is_no_metal(solid):
    (material,) = made(solid, "a white egg").json["materials"]
    told = material["pbrMetallicRoughness"]
    assert told["metallicFactor"] == 0
    assert told["baseColorFactor"] == [1, 1, 1, 1]


def test_of_two_solids_the_first_is_above_and_each_has_its_colour(solid):
    both = made(solid, "a red ball on a green cube")
    points, colours = both.attribute("POSITION"), both.attribute("COLOR_0").astype(int)
    red = colours[:, 0] > colours[:, 1]
    assert points[red, 1].mean() > 0.1 > -0.1 > points[~red, 1].mean()


def test_the_same_prompt_gives_the_same_bytes(solid):
    once, again, other = (
        solid.run(prompt=prompt, resolution=40).read_bytes()
        for prompt in ("a blue box", "a blue box", "a blue egg")
    )
    assert once == again != other


def test_a_higher_resolution_gives_more_triangles_of_the_same_solid(solid):
    coarse, fine = (made(solid, "a red cone", resolution=each) for each in (24, 96))
    assert len(fine.triangles) > 8 * len(coarse.triangles)
    low, high = (each.attribute("POSITION").max(0) for each in (coarse, fine))
    assert np.allclose(low, high, atol=0.06)


def test_progress_and_a_preview_are_told(solid):
    made(solid, "a red cube", resolution=64)
    done, total, unit = solid.told.steps[-1]
    assert done == total and unit == "point"
    assert solid.told.metrics["triangles"] > solid.told.metrics["vertices"] > 100
    shown = np.asarray(Image.open(io.BytesIO(solid.told.previews[0])), int)
    assert shown.shape == (256, 256, 3)
    red = (shown[..., 0] > shown[..., 2] + 60).mean()
    assert 0.1 < red < 0.7


def test_a_cancel_ends_it_between_two_pieces_of_work(solid, monkeypatch):
    def canceled(told, done, total, unit):
        raise CancelationException()

    monkeypatch.setattr(Told, "progress", canceled)
    with pytest.raises(CancelationException):
        made(solid, "a red cube")


@pytest.mark.parametrize("prompt", ["", "   \n"])
def test_an_empty_prompt_is_refused(solid, prompt):
    with pytest.raises(ValueError, match="prompt is empty"):
        solid.run(prompt=prompt)


def test_unknown_words_are_told_and_a_solid_is_made_all_the_same(solid, capsys):
    made(solid, "a red elephant cube 🙂 日本語", resolution=24)
    told = capsys.readouterr().out
    assert "never taught: elephant, 🙂, 日本語" in told


@pytest.mark.parametrize("prompt", ["zxqv blorp", "🙂🙂", "日本語", "\x00", "red " * 2500])
def test_a_prompt_without_a_solid_gives_one_or_a_sentence(solid, prompt):
    try:
        assert len(made(solid, prompt, resolution=24).triangles)
    except ValueError as error:
        assert "makes no solid" in str(error)


def test_what_is_not_read_of_a_long_prompt_is_said(solid, capsys):
    made(solid, "a red cube " * 900, resolution=24)
    assert "the model reads the first 24" in capsys.readouterr().out
