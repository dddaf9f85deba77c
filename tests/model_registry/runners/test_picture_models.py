"""The catalogue's models of pictures on tiny weights, set up as their specs say."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from cog import InvalidInput
from cog.scope import Scope, entered
from tests.model_registry.runners.conftest import Told
from tests.model_registry.runners.drawn_models import PROMPT, SMALL, DrawnModels, disc, size_of

# diffusers hands torch tensors to numpy in a way that numpy 2 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return DrawnModels(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def picture(tmp_path):
    """Writes a red disc on blue of a given size."""
    return lambda size=(300, 260), name="given.png": disc(tmp_path / name, size)


SIZES = {
    "flux-schnell": (512, 512),
    "flux-dev": (512, 512),
    "flux-2-klein-4b": (512, 512),
    "stable-diffusion-3.5-large": (1024, 1024),
    "qwen-image": (1024, 576),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_model_of_the_catalogue_draws_the_same_picture_for_the_same_seed(drawn, name):
    model = drawn(name)
    (once,) = model.run(prompt=PROMPT, seed=3, **SMALL[name])
    told = model.model.told
    (again,) = model.run(prompt=PROMPT, seed=3, **SMALL[name])
    assert size_of(once) == SIZES.get(name, (256, 256))
    assert once.read_bytes() == again.read_bytes()
    total = told.metrics["steps"]
    assert told.steps == [(step, total, "step") for step in range(1, total + 1)]
    assert told.metrics["seed"] == 3
    preview = Image.open(io.BytesIO(told.previews[0]))
    assert max(preview.size) == 256


@pytest.mark.parametrize("name", ["flux-schnell", "flux-1.1-pro", "sdxl", "z-image-turbo"])
def test_prompts_of_no_and_of_200_000_characters_are_drawn(drawn, name, capsys):
    drawn(name).run(prompt="", seed=1, **SMALL[name])
    capsys.readouterr()
    drawn(name).run(prompt="red circle " * 18_182, seed=1, **SMALL[name])
    assert "the rest has no effect" in capsys.readouterr().out


def test_each_of_several_pictures_is_the_one_that_its_own_seed_gives(drawn):
    model = drawn("flux-schnell")
    several = model.run(prompt=PROMPT, seed=5, num_outputs=3, **SMALL["flux-schnell"])
    assert model.model.told.steps[-1] == (6, 6, "step")
    (alone,) = model.run(prompt=PROMPT, seed=7, **SMALL["flux-schnell"])
    assert several[2].read_bytes() == alone.read_bytes()


@pytest.mark.parametrize("name", ["flux-schnell", "sdxl"])
def test_a_finished_picture_is_given_out_before_the_next_one_is_begun(drawn, name):
    model = drawn(name).model
    loaded, told = model.loaded, Told()
    inputs = {"prompt": PROMPT, "seed": 5, "num_outputs": 2, "num_inference_steps": 2}
    small = {"megapixels": "0.25"} if name == "flux-schnell" else {"width": 256, "height": 256}
    with entered(Scope("test", told)):
        pictures = loaded.call(**loaded.arguments({**inputs, **small}))
        first = next(pictures)
        assert told.steps[-1] == (2, 4, "step") and size_of(first)
        assert len(list(pictures)) == 1
    # To who calls it is the list that Replicate has, which no client takes for a stream.
    schema = loaded.document()["components"]["schemas"]["Output"]
    assert schema["type"] == "array" and "x-cog-array-type" not in schema


def test_what_has_no_effect_here_is_said(drawn, capsys):
    drawn("flux-schnell").run(prompt=PROMPT, **SMALL["flux-schnell"])
    said = capsys.readouterr().out
    assert "no safety checker" in said and "go_fast changes nothing" in said
    drawn("flux-1.1-pro").run(prompt=PROMPT, prompt_upsampling=True, **SMALL["flux-1.1-pro"])
    assert "nothing here rewrites it" in capsys.readouterr().out
    drawn("sdxl-lightning-4step").run(prompt=PROMPT, **SMALL["sdxl-lightning-4step"])
    assert "The negative prompt has no effect: the guidance is 0." in capsys.readouterr().out


def test_a_picture_to_start_from_gives_flux_its_shape(drawn, picture, capsys):
    settings = {"prompt": PROMPT, "seed": 1, "num_inference_steps": 2}
    model = drawn("flux-dev")
    (path,) = model.run(image=picture((300, 260)), prompt_strength=0.5, **settings)
    assert size_of(path) == (304, 256)
    assert "The image, 300 × 260, is taken at 304 × 256." in capsys.readouterr().out
    assert model.model.told.steps == [(1, 1, "step")]


def test_a_picture_is_drawn_after_at_the_size_asked_for(drawn, picture):
    model, settings = drawn("flux-1.1-pro"), {"prompt": PROMPT, "seed": 1, **SMALL["flux-1.1-pro"]}
    (after,) = model.run(image_prompt=picture(), **settings)
    (without,) = model.run(**settings)
    assert size_of(after) == (256, 256)
    assert after.read_bytes() != without.read_bytes()


def test_several_pictures_are_drawn_after_and_the_first_may_give_the_shape(drawn, picture):
    (path,) = drawn("flux-2-klein-4b").run(
        prompt=PROMPT,
        images=[picture((300, 150)), picture((64, 64), "other.png")],
        aspect_ratio="match_input_image",
        output_megapixels="0.25",
    )
    assert size_of(path) == (720, 368)


@pytest.mark.parametrize(
    ("name", "inputs", "reason"),
    [
        ("flux-2-klein-4b", {"aspect_ratio": "match_input_image"}, "no image is given"),
        ("flux-1.1-pro", {"aspect_ratio": "custom", "width": 256}, "give width and height"),
        ("sdxl-lightning-4step", {"num_inference_steps": 5}, "exactly 4 steps"),
        ("sdxl-lightning-4step", {"refine": "base_image_refiner"}, "has no refiner"),
        ("sdxl", {"refine": "base_image_refiner", "refine_steps": 3}, "refine_steps to 4"),
        ("sdxl", {"refine": "expert_ensemble_refiner", "high_noise_frac": 0.0}, "each have one"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(drawn, name, inputs, reason):
    with pytest.raises(InvalidInput, match=reason):
        drawn(name).run(prompt=PROMPT, **inputs)


@pytest.mark.parametrize(
    ("name", "asks"),
    [("flux-dev", "image"), ("flux-1.1-pro", "image_prompt"), ("sdxl", "image")],
)
def test_pictures_of_any_size_are_taken_or_refused(drawn, picture, tmp_path, name, asks):
    model, settings = drawn(name), {"prompt": PROMPT, "seed": 1, **SMALL[name]}
    (path,) = model.run(**{asks: picture((1, 1))}, **settings)
    assert size_of(path) == (256, 256)
    Image.new("1", (12_000, 12_000)).save(tmp_path / "large.png")
    with pytest.raises(InvalidInput, match="allowed are 64 million"):
        model.run(**{asks: str(tmp_path / "large.png")}, **settings)
    (tmp_path / "none.png").write_bytes(b"no picture")
    with pytest.raises(InvalidInput, match="no picture that can be read"):
        model.run(**{asks: str(tmp_path / "none.png")}, **settings)


def test_a_size_that_does_not_fit_is_rounded_as_on_replicate_and_said(drawn, capsys):
    inputs = {"aspect_ratio": "custom", "width": 300, "height": 260}
    (path,) = drawn("flux-1.1-pro").run(prompt=PROMPT, **inputs)
    assert size_of(path) == (288, 256)
    assert "The width is 288, not 300: this model needs a multiple of 32." in (
        capsys.readouterr().out
    )


def test_guidance_and_negative_prompt_reach_a_family_that_has_other_words_for_them(
    drawn, monkeypatch
):
    small = {"optimize_for_speed": {"16:9": (256, 144)}}
    monkeypatch.setattr(drawn("qwen-image").model.runner, "sizes", small)
    settings = {"prompt": PROMPT, "seed": 1, "output_format": "png", **SMALL["qwen-image"]}
    pictures = [
        drawn("qwen-image").run(**settings, **more)[0].read_bytes()
        for more in ({}, {"guidance": 0}, {"negative_prompt": "green"})
    ]
    assert len(set(pictures)) == 3


def test_latents_in_rows_and_patches_are_put_back_as_their_autoencoder_knows_them(drawn):
    import torch

    latents = torch.randn(1, 4, 8, 12)
    size = {"height": 64, "width": 96}
    for name in ("flux-dev", "qwen-image", "flux-2-klein-4b"):
        painter = drawn(name).model.runner.painter
        pipeline, vae = painter.pipeline, painter.pipeline.vae
        if hasattr(pipeline, "_patchify_latents"):
            deviation = (vae.bn.running_var + vae.config.batch_norm_eps).sqrt()
            patches = pipeline._patchify_latents(latents)
            normal = (patches - vae.bn.running_mean[:, None, None]) / deviation[:, None, None]
            packed = pipeline._pack_latents(normal)
        else:
            packed = pipeline._pack_latents(latents, 1, 4, 8, 12)
        back = painter.preview._still(painter.preview._unpacked(packed, size))
        torch.testing.assert_close(back, latents, rtol=1e-4, atol=1e-4)


def test_previews_take_a_small_share_of_a_run(drawn):
    preview = drawn("flux-dev").model.runner.painter.preview
    preview.start()
    assert preview._affordable()
    preview._spent = preview._cost = 3.0
    assert not preview._affordable()
    preview._started -= 1000
    assert preview._affordable()
