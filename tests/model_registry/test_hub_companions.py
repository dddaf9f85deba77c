"""Models of the Hub that need a part from a second repository."""

from __future__ import annotations

import pytest

from errors import BrokenModel, CannotDownload

SPEAKS = {"model_type": "speecht5", "architectures": ["SpeechT5ForTextToSpeech"]}
TALKS = {"model_type": "dia", "architectures": ["DiaForConditionalGeneration"]}
VOCODER = {"config.json": {"model_type": "hifigan"}, "pytorch_model.bin": "w"}


def model(config):
    return {"config.json": config, "model.safetensors": "w", "tokenizer.json": "{}"}


def test_the_part_is_pinned_beside_the_model(hub_models, publish):
    publish("tiny/dia", model(TALKS), "text-to-speech")
    codec = publish("descript/dac_44khz", model({"model_type": "dac"}))
    made = hub_models.make("hf:tiny/dia").latest
    first, second = made.weights
    assert made.code.target.endswith(":Dia") and first.repo == "tiny/dia"
    assert (second.role, second.repo, second.revision) == (
        "codec", "descript/dac_44khz", codec.commit,
    )  # fmt: skip
    assert "model.safetensors" in second.files


def test_a_part_in_an_unsafe_form_is_taken_only_where_that_is_agreed_to(hub_models, publish):
    publish("tiny/speaks", model(SPEAKS), "text-to-speech")
    publish("microsoft/speecht5_hifigan", VOCODER)
    with pytest.raises(BrokenModel, match="tiny/speaks needs it as its vocoder, and pytorch_mod"):
        hub_models.make("hf:tiny/speaks")
    made = hub_models.make("hf:tiny/speaks", unsafe_formats=True).latest
    assert [each.role for each in made.weights][1:] == ["vocoder"]
    assert made.code.target.endswith(":SpeechT5")


def test_a_part_that_is_gone_is_named(hub_models, publish, stand_in):
    publish("tiny/dia", model(TALKS), "text-to-speech")
    stand_in.repositories.pop("descript/dac_44khz", None)
    with pytest.raises(CannotDownload, match="descript/dac_44khz does not exist"):
        hub_models.make("hf:tiny/dia")
