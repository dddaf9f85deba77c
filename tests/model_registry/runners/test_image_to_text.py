from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cog import CancelationException
from tests.model_registry.runners.conftest import REGISTRY, Model

CAPTION = REGISTRY / "starter" / "caption"


@pytest.fixture(scope="module")
def caption():
    return Model("image_to_text.py:ImageToText", CAPTION)


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import BertTokenizer

    return BertTokenizer.from_pretrained(CAPTION)


SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 37,
}
SEES = SMALL | {"image_size": 32, "patch_size": 8}


@pytest.fixture(scope="module")
def blip(tmp_path_factory, tokenizer):
    """Random weights in BLIP's form: a decoder that looks at an encoder of pictures."""
    import torch
    from transformers import (
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessorPil,
        BlipProcessor,
    )

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("blip")
    writes = SMALL | {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 64,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    BlipForConditionalGeneration(
        BlipConfig(text_config=writes, vision_config=SEES)
    ).save_pretrained(folder)
    image = BlipImageProcessorPil(size={"height": 32, "width": 32})
    BlipProcessor(image, tokenizer).save_pretrained(folder)
    return Model("image_to_text.py:ImageToText", folder)


@pytest.fixture(scope="module")
def git(tmp_path_factory, tokenizer):
    """Random weights in GIT's form: one decoder reads picture and prompt."""
    import torch
    from transformers import CLIPImageProcessorPil, GitConfig, GitForCausalLM, GitProcessor

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("git")
    config = GitConfig(
        vision_config=SEES,
        **SMALL,
        vocab_size=len(tokenizer),
        max_position_embeddings=64,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    GitForCausalLM(config).save_pretrained(folder)
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    GitProcessor(CLIPImageProcessorPil(**size), tokenizer).save_pretrained(folder)
    return Model("image_to_text.py:ImageToText", folder)


@pytest.fixture
def red_circle(tmp_path):
    picture = Image.new("RGB", (300, 300), (44, 88, 214))
    ImageDraw.Draw(picture).ellipse((80, 80, 220, 220), fill=(222, 44, 44))
    return saved(picture, tmp_path / "red circle.png")


def saved(picture, path):
    picture.save(path)
    return str(path)


def test_a_caption_names_what_is_there_word_by_word(caption, red_circle):
    pieces = caption.run(image=red_circle)
    assert "".join(pieces) == "a red circle on a blue background"
    assert len(pieces) > 4
    assert caption.told.metrics["output_token_count"] == 8
    assert 0.8 < caption.told.metrics["confidence"] <= 1


def test_a_picture_of_nothing_known_is_called_that_or_told_to_be_a_guess(caption, tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    said = "".join(caption.run(image=saved(Image.fromarray(noise), tmp_path / "noise.png")))
    assert "does not know" in said or "Not sure" in capsys.readouterr().out


def test_several_captions_can_be_weighed(caption, red_circle):
    (said,) = caption.run(image=red_circle, num_beams=4)
    assert said == "a red circle on a blue background"
    assert caption.told.metrics["output_token_count"] == 8
    assert 0.8 < caption.told.metrics["confidence"] <= 1


def test_the_same_seed_gives_the_same_text_and_another_seed_another(caption, red_circle, capsys):
    first, again, other = (
        caption.run(image=red_circle, temperature=5, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert "Using seed: 2" in capsys.readouterr().out


def test_an_unset_seed_is_chosen_and_told(caption, red_circle, capsys):
    caption.run(image=red_circle, temperature=1)
    assert f"Using seed: {caption.told.metrics['seed']}" in capsys.readouterr().out


def test_no_more_tokens_are_written_than_asked_for(caption, red_circle):
    assert "".join(caption.run(image=red_circle, max_tokens=3)) == "a red circle"


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (5000, 4000)])
def test_pictures_of_any_size_are_captioned(caption, tmp_path, size):
    path = saved(Image.new("RGB", size, "red"), tmp_path / "picture.png")
    assert "".join(caption.run(image=path))


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "CMYK", "I;16"])
def test_pictures_in_any_mode_are_captioned(caption, tmp_path, mode):
    path = saved(Image.new(mode, (40, 30)), tmp_path / "picture.tiff")
    assert "".join(caption.run(image=path))


def test_what_is_no_picture_is_refused(caption, tmp_path):
    path = tmp_path / "picture.png"
    path.write_text("not a picture")
    with pytest.raises(ValueError, match="image is no picture"):
        caption.run(image=str(path))


def test_a_cancel_ends_the_writing(caption, red_circle):
    running = threading.active_count()
    pieces = caption.loaded.call(**caption.loaded.arguments({"image": red_circle}))
    next(pieces)
    with pytest.raises(CancelationException):
        pieces.throw(CancelationException())
    assert threading.active_count() == running


def test_what_breaks_while_writing_is_raised(caption, red_circle, monkeypatch):
    def broken(**settings):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(caption.runner.model, "generate", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        caption.run(image=red_circle)


@pytest.mark.parametrize("family", ["blip", "git"])
def test_another_family_runs_the_same_way(family, request, red_circle):
    model = request.getfixturevalue(family)
    assert "".join(model.run(image=red_circle, max_tokens=6))
    assert model.told.metrics["output_token_count"] <= 6
    assert "".join(model.run(image=red_circle, max_tokens=6, num_beams=2))


@pytest.mark.parametrize("family", ["blip", "git"])
def test_a_prompt_is_gone_on_from(family, request, red_circle):
    import torch

    model = request.getfixturevalue(family)
    seen = []

    def embedded(module, inputs, output):
        seen.extend(inputs[0].flatten().tolist())

    embedding = model.runner.model.get_input_embeddings()
    with torch.no_grad():
        watching = embedding.register_forward_hook(embedded)
        pieces = model.run(image=red_circle, prompt="a red", max_tokens=6)
        watching.remove()
    words = model.runner.tokenizer.convert_ids_to_tokens(seen[:3])
    assert words == ["[CLS]", "a", "red"]
    assert "".join(pieces)
    assert seen[3] != model.runner.tokenizer.sep_token_id


@pytest.mark.parametrize("family", ["blip", "git"])
def test_a_prompt_that_leaves_no_room_is_refused(family, request, red_circle):
    with pytest.raises(ValueError, match=r"has \d+ tokens; this model holds 64.*Shorten"):
        request.getfixturevalue(family).run(image=red_circle, prompt="a red circle " * 800)


@pytest.mark.parametrize("beams", [1, 2])
def test_a_caption_goes_on_from_its_beginning(caption, red_circle, beams):
    whole = "".join(caption.run(image=red_circle, num_beams=beams))
    first, _, rest = whole.partition(" ")
    asked = {"image": red_circle, "prompt": first, "num_beams": beams}
    assert rest and "".join(caption.run(**asked)).strip() == rest


def test_a_prompt_that_a_model_cannot_take_is_refused(caption, red_circle, monkeypatch):
    monkeypatch.setattr(caption.runner.model.config, "model_type", "pix2struct")
    with pytest.raises(ValueError, match="takes no prompt"):
        caption.run(image=red_circle, prompt="a red")
