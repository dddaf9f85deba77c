"""SpeechT5 speaks in the voice that it is given, or in one drawn by the seed."""

from __future__ import annotations

import json

import numpy
import pytest
import soundfile

from cog import InvalidInput
from tests.model_registry.runners.conftest import Model
from tests.tiny import speecht5

TEXT = "Good morning. Is it you?"

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    weights, vocoder = (tmp_path_factory.mktemp(name) for name in ("speaker", "vocoder"))
    speecht5.speaker(weights)
    speecht5.vocoder(vocoder)
    target = "voice_speecht5.py:SpeechT5"
    return Model(target, weights, parts={"vocoder": str(vocoder)})


def spoken(model, **given):
    return soundfile.read(str(model.run(text=TEXT, seed=1, **given)))


def test_a_seed_speaks_alike_and_tells_of_each_step(model):
    sound, rate = spoken(model)
    assert rate == 16000 and len(sound) > 1000
    assert len(model.told.steps) > 20
    assert (spoken(model)[0] == sound).all()


def test_the_vector_of_a_voice_changes_the_voice_and_not_its_form(model, tmp_path):
    vector = [0.5, -0.5, 0.1, 0.9, -0.2, 0.3]
    (tmp_path / "voice.json").write_text(json.dumps(vector))
    numpy.save(tmp_path / "voice.npy", numpy.array([vector], numpy.float32))
    one, other = (spoken(model, voice=str(tmp_path / f"voice.{e}"))[0] for e in ("json", "npy"))
    drawn = spoken(model)[0]
    assert (one == other).all()
    assert len(one) != len(drawn) or (one != drawn).any()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"RIFF....WAVE\xff", "voice is no file of numbers"),
        (b'{"a": 1}', "voice is no file of numbers"),
        (b"[1, 2, 3]", "voice has 3 numbers; this model takes a vector of 6"),
    ],
)
def test_what_is_no_vector_is_refused(model, tmp_path, content, reason):
    (tmp_path / "voice").write_bytes(content)
    with pytest.raises(InvalidInput, match=reason):
        spoken(model, voice=str(tmp_path / "voice"))
