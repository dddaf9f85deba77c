from __future__ import annotations

import numpy as np
import pytest
import trimesh
from PIL import Image

from cog import InvalidInput
from tests.model_registry.runners.conftest import Model
from tests.tiny.three_d import TINY

# diffusers gives a tensor to numpy in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SMALL = {"num_inference_steps": 2, "render_size": 24, "render_mode": "stf", "resolution": 24}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for repo, make in TINY.items():
        made[repo] = tmp_path_factory.mktemp(repo.replace("/", "--"))
        make(made[repo])
    return made


@pytest.fixture(scope="module")
def shap_e(folders):
    parts = {"image": str(folders["openai/shap-e-img2img"])}
    return Model("shap_e.py:ShapE", folders["openai/shap-e"], parts=parts)


@pytest.fixture(scope="module")
def points(folders):
    return Model("shap_e.py:ShapEPoints", folders["openai/shap-e"])


@pytest.fixture
def picture(tmp_path):
    Image.new("RGBA", (50, 40), (200, 60, 60, 255)).save(tmp_path / "in.png")
    return str(tmp_path / "in.png")


def test_words_become_a_turning_picture_and_a_solid_for_viewers(shap_e):
    animation, mesh = shap_e.run(prompt="a red cone", save_mesh=True, seed=1, **SMALL)
    with Image.open(animation) as image:
        assert image.format == "GIF" and image.size == (24, 24) and image.n_frames > 10
    (solid,) = trimesh.load(mesh, file_type="glb").geometry.values()
    assert solid.is_watertight and solid.volume > 0, "its faces look outwards"
    assert np.abs(solid.vertices).max() <= 1
    assert solid.visual.vertex_attributes["color"].shape == (len(solid.vertices), 4)
    assert shap_e.told.metrics["triangles"] == len(solid.faces)
    assert shap_e.told.steps[0] == (1, 3, "step"), "Heun's method takes all but one step twice"
    assert shap_e.told.previews


def test_the_solid_in_the_file_is_the_one_in_the_animation(shap_e):
    """What is not white in the first picture is where the mesh is seen from there."""
    animation, mesh = shap_e.run(
        prompt="a red cone", save_mesh=True, seed=1, **{**SMALL, "render_size": 64}
    )
    with Image.open(animation) as image:
        seen = np.asarray(image.convert("L")) < 250
    (solid,) = trimesh.load(mesh, file_type="glb").geometry.values()
    x, y, z = solid.vertices.T
    at = np.stack([x, -z, y], 1)  # as Shap-E has it: z up
    ahead = np.array([0, 1, -0.5]) / np.sqrt(1.25)
    right = np.array([1.0, 0, 0])
    down = np.cross(ahead, right)
    away = at @ ahead + 4
    columns, rows = (
        np.rint(((at @ axis) / away / np.tan(0.35) + 1) / 2 * 63).astype(int)
        for axis in (right, down)
    )
    inside = (columns >= 0) & (columns < 64) & (rows >= 0) & (rows < 64)
    drawn = np.zeros((64, 64), bool)
    drawn[rows[inside], columns[inside]] = True
    assert seen[drawn].mean() > 0.9 and 0.02 < seen.mean() < 0.98


def test_a_picture_becomes_solids_and_the_prompt_beside_it_is_said_to_be_unused(
    shap_e, picture, capsys
):
    made = shap_e.run(image=picture, prompt="a boat", batch_size=2, save_mesh=True, seed=1, **SMALL)
    assert [path.suffix for path in made] == [".gif", ".gif", ".glb", ".glb"]
    assert made[0].read_bytes() != made[1].read_bytes()
    assert "The prompt is not used" in capsys.readouterr().out


def test_a_nerf_is_rendered_at_any_size(shap_e):
    (animation,) = shap_e.run(
        prompt="a red cone", seed=1, **{**SMALL, "render_mode": "nerf", "render_size": 9}
    )
    with Image.open(animation) as image:
        assert image.size == (9, 9)


def test_neither_words_nor_picture_and_a_cut_prompt_are_said(shap_e, points, picture, capsys):
    for empty in ({}, {"prompt": "  "}):
        with pytest.raises(InvalidInput, match="Write a prompt or give an image"):
            shap_e.run(**empty)
    with pytest.raises(InvalidInput, match="from text alone"):
        points.run(image=picture)
    shap_e.run(prompt="red " * 200, seed=1, **SMALL)
    assert "the model reads the first" in capsys.readouterr().out


@pytest.mark.parametrize("output_format", ["animation", "json_file"])
def test_points_are_given_as_point_e_gives_them(points, output_format):
    made = points.run(prompt="a red cone", output_format=output_format, seed=1)
    cloud = trimesh.load(made.point_cloud, file_type="ply")
    assert cloud.vertices.shape == (4096, 3) and len(np.unique(cloud.colors, axis=0)) > 10
    if output_format == "json_file":
        assert made.animation is None
        said = made.json_file
        assert np.array(said["coords"]).shape == np.array(said["colors"]).shape == (4096, 3)
        assert np.min(said["colors"]) >= 0 and np.max(said["colors"]) <= 1
    else:
        assert made.json_file is None
        with Image.open(made.animation) as image:
            assert image.n_frames > 10
