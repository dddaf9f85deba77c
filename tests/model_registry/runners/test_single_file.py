"""Pipelines of pictures from one file: the same numbers as from folders, and what is missing."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.model_registry.runners.conftest import Model
from tests.model_registry.runners.drawn_models import disc
from tests.tiny import checkpoints, transformer_checkpoints

# diffusers hands torch tensors to numpy in a way that numpy 2 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

DRAWS, DRAWS_INTO = "text_to_image.py:TextToImage", "inpainting.py:Inpaint"
FILE = "some [v1].safetensors"


def numbers(pipeline):
    """All of a pipeline's, by part and name."""
    parts = {
        name: each for name, each in pipeline.components.items() if hasattr(each, "parameters")
    }
    return {
        f"{name}.{key}": tensor
        for name, each in parts.items()
        for key, tensor in each.state_dict().items()
    }


def model(runner, folder, *borrowed):
    checkpoint = {"file": FILE, "borrowed": list(borrowed)}
    parts = {"settings": str(folder / "settings")}
    return Model(runner, folder, checkpoint=checkpoint, parts=parts)


@pytest.mark.parametrize(
    ("made", "written", "runner", "borrowed"),
    [
        (checkpoints.stable_diffusion, checkpoints.one_file, DRAWS, {}),
        (lambda: checkpoints.stable_diffusion(9), checkpoints.one_file, DRAWS_INTO, {}),
        (checkpoints.sdxl, checkpoints.one_file, DRAWS, {"vae": "first_stage_model."}),
        (
            transformer_checkpoints.stable_diffusion_3,
            transformer_checkpoints.stable_diffusion_3_file,
            DRAWS,
            {},
        ),
        (
            transformer_checkpoints.stable_diffusion_3,
            transformer_checkpoints.stable_diffusion_3_file,
            DRAWS,
            {"text_encoder_3": "text_encoders.t5xxl."},
        ),
    ],
    ids=["Stable Diffusion 1", "for inpainting", "XL without a VAE", "3", "3 without T5"],
)
def test_a_file_holds_what_folders_hold(made, written, runner, borrowed, tmp_path):
    pipeline = made()
    written(pipeline, tmp_path / FILE, *borrowed.values())
    checkpoints.settings(pipeline, tmp_path / "settings", *borrowed)
    drawn = model(runner, tmp_path, *borrowed)
    found = numbers(drawn.runner.painter.pipeline)
    wanted = numbers(pipeline)
    assert found.keys() == wanted.keys()
    for name, each in wanted.items():
        kept = each if name.startswith(tuple(borrowed)) else each.half().float()
        assert found[name].equal(kept), name
    inputs = {"prompt": "a red circle", "num_inference_steps": 2, "seed": 1, "output_format": "png"}
    if runner == DRAWS:
        inputs |= {"width": 64, "height": 64}
    else:
        inputs["image"] = inputs["mask"] = disc(tmp_path / "given.png", (64, 64))
    (picture,) = drawn.run(**inputs)
    with Image.open(picture) as seen:
        assert seen.convert("L").getextrema()[1] > 0


def test_a_file_that_lacks_something_of_a_part_says_what(tmp_path):
    pipeline = checkpoints.sdxl()
    checkpoints.one_file(pipeline, tmp_path / FILE, "conditioner.embedders.1.model.ln_final")
    checkpoints.settings(pipeline, tmp_path / "settings")
    with pytest.raises(ValueError, match=r"lacks text_model\.final_layer_norm.* of its text_enc"):
        model(DRAWS, tmp_path)


@pytest.mark.heavy
def test_flux_is_what_draws_alone(tmp_path):
    pipeline = transformer_checkpoints.flux()
    transformer_checkpoints.flux_file(pipeline.transformer, tmp_path / FILE)
    wanted = numbers(pipeline)
    held, pipeline.transformer = pipeline.transformer, None
    borrowed = ("vae", "text_encoder", "text_encoder_2")
    checkpoints.settings(pipeline, tmp_path / "settings", *borrowed)
    checkpoints.named(tmp_path / "settings", transformer=held)
    found = numbers(model(DRAWS, tmp_path, *borrowed).runner.painter.pipeline)
    assert found.keys() == wanted.keys()
    for name, each in wanted.items():
        assert found[name].float().equal(each.float()), name
