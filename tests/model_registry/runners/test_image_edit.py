"""Pictures changed by words and by masks, on tiny checkpoints of the models' own classes."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cog.loading import load
from errors import InvalidInput
from model_registry import inputs
from tests.model_registry.runners.conftest import REGISTRY, Model, Told
from tests.tiny.editing import TINY
from tests.tiny.video import FISH, ICON

KONTEXT = {"prompt": "make it blue", "num_inference_steps": 1, "seed": 1, "output_format": "png"}
QWEN = {**KONTEXT, "guidance": 1}

# diffusers hands torch tensors to numpy in a way that numpy 2 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def made(tmp_path_factory, repo, target, **options):
    folder = tmp_path_factory.mktemp(repo.replace("/", "-"))
    TINY[repo](folder)
    model = Model.__new__(Model)
    model.loaded = load(str(REGISTRY / "runners"), target)
    model.module = sys.modules[target.partition(".")[0]]
    model.runner = model.loaded._owner
    model.loaded.setup(str(folder), options=options)
    model.told = Told()
    return model


@pytest.fixture(scope="module")
def kontext(tmp_path_factory):
    return made(
        tmp_path_factory,
        "black-forest-labs/FLUX.1-Kontext-dev",
        "image_edit.py:ImageEdit",
        sizes=[[672, 1568], [1024, 1024], [1152, 896], [1568, 672]],
    )


@pytest.fixture(scope="module")
def qwen(tmp_path_factory):
    return made(tmp_path_factory, "Qwen/Qwen-Image-Edit-2511", "image_edit.py:ImagesEdit")


@pytest.fixture(scope="module")
def inpaint(tmp_path_factory):
    repo = "diffusers/stable-diffusion-xl-1.0-inpainting-0.1"
    return made(tmp_path_factory, repo, "inpainting.py:Inpaint", variant="fp16")


@pytest.fixture
def half(tmp_path):
    """A mask of the right half of a picture of 320 × 256."""
    mask = Image.new("L", (320, 256))
    ImageDraw.Draw(mask).rectangle((160, 0, 320, 256), fill=255)
    mask.save(tmp_path / "half.png")
    Image.new("RGB", (320, 256), (200, 120, 40)).save(tmp_path / "plain.png")
    return {"image": str(tmp_path / "plain.png"), "mask": str(tmp_path / "half.png")}


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), int)


def test_the_picture_that_is_given_decides_what_comes(kontext):
    fish, again, icon = (
        kontext.run(**KONTEXT, input_image=each).read_bytes() for each in (FISH, FISH, ICON)
    )
    assert fish == again != icon
    assert kontext.told.steps == [(1, 1, "step")]
    with Image.open(io.BytesIO(kontext.told.previews[0])) as preview:
        assert preview.width == preview.height


def test_sizes_are_those_that_it_was_taught_and_what_has_no_effect_is_said(kontext, capsys):
    like_the_fish = kontext.run(**KONTEXT, input_image=FISH)
    told = capsys.readouterr().out
    assert "The picture is drawn at 1152 × 896." in told
    assert "There is no safety checker here" in told and "go_fast changes nothing here" in told
    quiet = {"go_fast": False, "disable_safety_checker": True}
    upright = kontext.run(**KONTEXT, **quiet, input_image=FISH, aspect_ratio="9:21")
    told = capsys.readouterr().out
    assert "safety" not in told and "go_fast" not in told
    assert pixels(like_the_fish).shape == (896, 1152, 3)
    assert pixels(upright).shape == (1568, 672, 3)


def test_what_is_no_picture_or_far_too_large_is_refused(kontext, qwen, inpaint, half, tmp_path):
    nothing = tmp_path / "nothing.png"
    nothing.write_bytes(b"no picture")
    huge = tmp_path / "huge.png"
    Image.new("1", (12000, 12000)).save(huge)
    for bad in (str(nothing), str(huge)):
        with pytest.raises(ValueError, match="input_image"):
            kontext.run(**KONTEXT, input_image=bad)
        with pytest.raises(ValueError, match="image"):
            qwen.run(**QWEN, image=[FISH, bad])
        with pytest.raises(ValueError, match="mask"):
            inpaint.run(prompt="a fox", image=half["image"], mask=bad)


@pytest.mark.parametrize("size", [(1, 1), (12000, 1)])
def test_a_picture_that_no_model_could_read_is_made_fit(kontext, tmp_path, size):
    Image.new("RGB", size, "red").save(tmp_path / "odd.png")
    assert kontext.run(**KONTEXT, input_image=str(tmp_path / "odd.png")).stat().st_size


@pytest.mark.parametrize("prompt", ["", "blue " * 40_000])
def test_a_prompt_of_any_length_is_followed_as_far_as_it_is_read(kontext, capsys, prompt):
    assert kontext.run(**KONTEXT | {"prompt": prompt}, input_image=FISH).stat().st_size
    assert ("the rest has no effect" in capsys.readouterr().out) == bool(prompt)


@pytest.mark.heavy
def test_several_pictures_are_put_together(qwen, capsys):
    one = qwen.run(**QWEN, image=[FISH])[0]
    both = qwen.run(**QWEN | {"prompt": "put 1 into 2 " * 5000}, image=[FISH, ICON])[0]
    assert pixels(one).shape == pixels(both).shape == (896, 1152, 3)
    assert (pixels(one) != pixels(both)).any()
    assert "the model reads the first 512, the rest has no effect" in capsys.readouterr().out


@pytest.mark.heavy
def test_guidance_compares_with_the_negative_prompt(qwen):
    plain, guided = (
        qwen.run(**QWEN | {"guidance": guidance}, image=[ICON], aspect_ratio="1:1")[0]
        for guidance in (1, 6)
    )
    assert pixels(plain).shape == (1024, 1024, 3)
    assert (pixels(plain) != pixels(guided)).any()


def test_the_number_of_pictures_is_limited(qwen):
    for pictures, number in (([], "No image"), ([FISH] * 4, "4 images are given; 3 are allowed")):
        with pytest.raises(ValueError, match=number):
            qwen.run(**QWEN, image=pictures)


def test_only_what_the_mask_shows_is_drawn_anew(inpaint, half):
    given = {"prompt": "a fox", "num_inference_steps": 3, "seed": 1, "output_format": "png"}
    first, second = inpaint.run(**given, **half, num_outputs=2)
    drawn = pixels(first)
    assert drawn.shape == (256, 320, 3)
    assert (drawn[:, :156] == (200, 120, 40)).all()
    assert (drawn[:, 170:] != (200, 120, 40)).any(-1).mean() > 0.9
    (again,) = inpaint.run(**given | {"seed": 2}, **half)
    assert again.read_bytes() == second.read_bytes() != first.read_bytes()


def test_a_mask_that_shows_nothing_and_a_strength_of_no_step_are_refused(inpaint, half, tmp_path):
    Image.new("L", (320, 256)).save(tmp_path / "black.png")
    with pytest.raises(ValueError, match="The mask is black all over"):
        inpaint.run(prompt="a fox", **half | {"mask": str(tmp_path / "black.png")})
    with pytest.raises(ValueError, match="of 10 steps none would be left to do. Use at least 0.10"):
        inpaint.run(prompt="a fox", **half, strength=0.05, num_inference_steps=10)


def test_samplers_have_their_own_ways(inpaint, half):
    given = {"prompt": "a fox", "num_inference_steps": 3, "seed": 1}
    drawn = {
        inpaint.run(**given, **half, scheduler=name)[0].read_bytes()
        for name in ("K_EULER", "K_EULER_ANCESTRAL", "DDIM")
    }
    assert len(drawn) == 3


@pytest.mark.parametrize(
    "given", [{"num_inference_steps": 0}, {"guidance": -1}, {"aspect_ratio": ""}]
)
def test_what_no_picture_can_be_made_with_is_refused(kontext, given):
    with pytest.raises(InvalidInput, match=next(iter(given))):
        inputs.check(
            kontext.loaded.document(), {"prompt": "x", "input_image": "https://x/y.png", **given}
        )


def test_a_pipeline_that_changes_no_pictures_is_refused(kontext, inpaint):
    starter = str(REGISTRY / "starter" / "shapes")
    with pytest.raises(ValueError, match="a StableDiffusionPipeline, which changes no picture"):
        type(kontext.runner)().setup(starter)
    with pytest.raises(ValueError, match="a StableDiffusionPipeline, which draws into no mask"):
        type(inpaint.runner)().setup(starter)
