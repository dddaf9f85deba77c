from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.model_registry.runners.conftest import REGISTRY, Model

PROMPT = "a red circle on a blue background"


# diffusers hands torch tensors to numpy in a way that numpy 2 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def opened(file):
    with Image.open(file) as picture:
        picture.load()
        return picture


def colours(path):
    """The mean colours of a picture's middle and of its border."""
    pixels = np.asarray(opened(path).convert("RGB"), float)
    middle = pixels[24:40, 24:40].mean((0, 1))
    border = np.concatenate((pixels[:4].reshape(-1, 3), pixels[-4:].reshape(-1, 3))).mean(0)
    return middle, border


def test_a_picture_follows_its_colour_and_background(shapes):
    (path,) = shapes.run(prompt=PROMPT, seed=1, num_inference_steps=20, output_format="png")
    middle, border = colours(path)
    assert middle.argmax() == 0 and middle[0] > 150
    assert border.argmax() == 2 and border[2] > 150


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(shapes):
    once, again, other = (
        shapes.run(prompt=PROMPT, seed=seed, num_inference_steps=4)[0].read_bytes()
        for seed in (7, 7, 8)
    )
    assert once == again != other


def test_each_of_several_pictures_is_the_one_that_its_own_seed_gives(shapes):
    several = shapes.run(prompt=PROMPT, seed=5, num_outputs=3, num_inference_steps=4)
    (alone,) = shapes.run(prompt=PROMPT, seed=7, num_inference_steps=4)
    assert len({path.name for path in several}) == 3
    assert several[2].read_bytes() == alone.read_bytes()


def test_a_picture_of_no_numbers_is_an_error_instead_of_a_black_one(shapes):
    *_, weight = shapes.runner.painter.pipeline.vae.decoder.parameters()
    kept = weight.data.clone()
    weight.data.fill_(float("nan"))
    try:
        with pytest.raises(RuntimeError, match="no numbers .* LoRA weights that are broken"):
            shapes.run(prompt=PROMPT, seed=1, num_inference_steps=1)
    finally:
        weight.data.copy_(kept)
    assert shapes.run(prompt=PROMPT, seed=1, num_inference_steps=1)


def test_every_step_is_told_and_a_preview_is_shown(shapes):
    shapes.run(prompt=PROMPT, seed=1, num_outputs=2, num_inference_steps=4)
    assert shapes.told.steps == [(step, 8, "step") for step in range(1, 9)]
    assert shapes.told.previews
    assert opened(io.BytesIO(shapes.told.previews[0])).size == (256, 256)


def test_the_latents_of_a_picture_preview_as_what_it_shows(shapes):
    import torch

    vae = shapes.runner.painter.pipeline.vae
    picture = torch.full((1, 3, 64, 64), -0.8)
    picture[:, 2] = 0.7
    with torch.no_grad():
        latents = vae.encode(picture).latents * vae.config.scaling_factor
    red, green, blue = np.asarray(shapes.runner.painter.preview._picture(latents), float).mean(
        (0, 1)
    )
    assert blue > 150 > max(red, green) + 50


@pytest.mark.parametrize(("name", "kind"), [("webp", "WEBP"), ("png", "PNG"), ("jpg", "JPEG")])
def test_a_picture_has_the_format_asked_for(shapes, name, kind):
    (path,) = shapes.run(prompt=PROMPT, num_inference_steps=1, output_format=name)
    assert path.suffix == f".{name}"
    assert opened(path).format == kind


def test_an_unset_seed_is_chosen_and_told(shapes, capsys):
    shapes.run(prompt=PROMPT, num_inference_steps=1)
    assert f"Using seed: {shapes.told.metrics['seed']}" in capsys.readouterr().out


def test_a_size_that_does_not_fit_is_rounded_and_said(shapes, capsys):
    (path,) = shapes.run(prompt=PROMPT, num_inference_steps=1, width=70, height=128)
    assert opened(path).size == (72, 128)
    assert "The width is 72, not 70" in capsys.readouterr().out


def test_a_prompt_too_long_to_be_read_is_drawn_and_said(shapes, capsys):
    shapes.run(prompt="red circle " * 1000, num_inference_steps=1)
    assert "the model reads the first 24" in capsys.readouterr().out


@pytest.mark.parametrize("prompt", ["", "🙂🙂", "zxqv blorp", "\x00", "日本語"])
def test_unknown_words_still_give_a_picture(shapes, prompt):
    (path,) = shapes.run(prompt=prompt, seed=1, num_inference_steps=1)
    assert opened(path).size == (64, 64)


def test_words_that_a_toy_was_never_taught_are_told(shapes, capsys):
    shapes.run(prompt="a red elephant", num_inference_steps=1)
    assert "never taught: elephant." in capsys.readouterr().out


@pytest.fixture
def blue_picture(tmp_path):
    """Writes a red disc on blue of a given size."""

    def write(size=(96, 80), mode="RGB"):
        picture = Image.new(mode, size, (44, 88, 214))
        box = [size[0] * 0.3, size[1] * 0.3, size[0] * 0.7, size[1] * 0.7]
        ImageDraw.Draw(picture).ellipse(box, fill=(222, 44, 44))
        path = tmp_path / "given.png"
        picture.save(path)
        return str(path)

    return write


def test_a_picture_to_start_from_shows_through(shapes, blue_picture):
    settings = {"image": blue_picture(), "num_inference_steps": 10, "output_format": "png"}
    (path,) = shapes.run(prompt="a red circle", seed=1, prompt_strength=0.5, **settings)
    middle, border = colours(path)
    assert middle.argmax() == 0 and border.argmax() == 2
    assert shapes.told.steps == [(step, 5, "step") for step in range(1, 6)]


def test_a_picture_is_as_much_part_of_the_result_as_the_seed(shapes, blue_picture):
    settings = {"prompt": PROMPT, "seed": 3, "num_inference_steps": 4}
    (once,) = shapes.run(image=blue_picture(), **settings)
    (again,) = shapes.run(image=blue_picture(), **settings)
    (without,) = shapes.run(**settings)
    assert once.read_bytes() == again.read_bytes() != without.read_bytes()


@pytest.mark.parametrize("size", [(1, 1), (5000, 4000), (300, 3)])
def test_a_picture_of_any_size_can_be_started_from(shapes, blue_picture, size, capsys):
    (path,) = shapes.run(prompt=PROMPT, image=blue_picture(size), num_inference_steps=2)
    assert opened(path).size == (64, 64)
    assert "is taken at 64 × 64" in capsys.readouterr().out


def test_a_file_that_is_no_picture_is_refused_by_the_inputs_name(shapes, tmp_path):
    (tmp_path / "given.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="image is no picture that can be read"):
        shapes.run(prompt=PROMPT, image=str(tmp_path / "given.png"))


def test_a_strength_that_leaves_no_step_is_refused(shapes, blue_picture):
    with pytest.raises(ValueError, match=r"Use at least 0\.25"):
        shapes.run(prompt=PROMPT, image=blue_picture(), prompt_strength=0.2, num_inference_steps=4)


def test_another_family_starts_from_a_picture_as_well(tiny_sdxl, blue_picture):
    (path,) = tiny_sdxl.run(
        prompt=PROMPT,
        image=blue_picture(mode="RGBA"),
        prompt_strength=0.5,
        num_inference_steps=4,
        width=64,
        height=48,
    )
    assert opened(path).size == (64, 48)


def test_another_family_of_pipelines_runs_the_same_way(tiny_sdxl):
    paths = tiny_sdxl.run(
        prompt=PROMPT,
        negative_prompt="green",
        num_inference_steps=2,
        num_outputs=2,
        width=128,
        height=64,
    )
    assert [opened(path).size for path in paths] == [(128, 64)] * 2
    assert tiny_sdxl.told.steps[-1] == (4, 4, "step")
    assert tiny_sdxl.told.previews


def test_weights_that_there_are_of_half_precision_only_are_found(shapes, tmp_path):
    folder = tmp_path / "halves"
    shutil.copytree(REGISTRY / "starter" / "shapes", folder)
    for path in [*folder.glob("*/*.safetensors")]:
        path.rename(path.with_suffix(".fp16.safetensors"))
    halves = Model("text_to_image.py:TextToImage", folder)
    asked = {"prompt": "a red circle", "seed": 1, "num_inference_steps": 1}
    (first,), (second,) = shapes.run(**asked), halves.run(**asked)
    assert first.read_bytes() == second.read_bytes()


def test_a_negative_prompt_that_the_model_cannot_take_is_refused(tiny_sdxl, monkeypatch):
    accepted = dict(tiny_sdxl.runner.painter.accepted)
    del accepted["negative_prompt"]
    monkeypatch.setattr(tiny_sdxl.runner.painter, "accepted", accepted)
    with pytest.raises(ValueError, match="takes no negative prompt"):
        tiny_sdxl.run(prompt=PROMPT, negative_prompt="green", num_inference_steps=1)


def test_latents_packed_in_a_row_still_give_a_preview(tiny_flux, capsys):
    (path,) = tiny_flux.run(prompt=PROMPT, num_inference_steps=2, width=128, height=70)
    assert opened(path).size == (128, 64)
    assert "this model needs a multiple of 16" in capsys.readouterr().out
    assert opened(io.BytesIO(tiny_flux.told.previews[0])).size == (256, 128)
