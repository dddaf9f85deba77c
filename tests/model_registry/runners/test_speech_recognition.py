from __future__ import annotations

import numpy as np
import pytest
import soundfile

from tests.model_registry.runners.conftest import REGISTRY, Model
from tests.tiny import hub_repos, transducer

# A transducer writes no more than its sound has room for, and the library warns of that length.
pytestmark = pytest.mark.filterwarnings("ignore:Using the model-agnostic default:UserWarning")

LIGHTS = str(REGISTRY / "starter" / "listen" / "lights.wav")
MAKERS = {
    "spells": hub_repos.speller,
    "writes": hub_repos.listener,
    "transduces": transducer.parakeet,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = {}

    def model(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            MAKERS[name](folder)
            made[name] = Model("speech_recognition.py:SpeechRecognition", folder)
        return made[name]

    return model


@pytest.fixture(params=MAKERS)
def model(request, models):
    return models(request.param)


def recording(path, seconds):
    noise = np.random.default_rng(0).normal(0, 0.1, round(seconds * 16_000))
    noise[25 * 16_000 : 25 * 16_000 + 800] = 0
    soundfile.write(path, noise, 16_000)
    return str(path)


def test_what_is_said_comes_with_its_time(model):
    (segment,) = model.run(audio=LIGHTS)
    assert segment["start"] == 0 and segment["end"] == pytest.approx(2.425)
    assert segment["text"]
    assert model.told.metrics["audio_seconds"] == pytest.approx(2.425)


def test_a_long_recording_is_cut_where_it_is_quiet(models, tmp_path):
    segments = models("spells").run(audio=recording(tmp_path / "long.wav", 70))
    assert segments[0]["end"] == pytest.approx(25, abs=0.1)
    ends = [0, *(each["end"] for each in segments)]
    assert [each["start"] for each in segments] == ends[:-1]
    assert ends[-1] == pytest.approx(70)
    assert max(b - a for a, b in zip(ends, ends[1:], strict=False)) <= 28


def test_a_breath_is_heard_without_an_error(model, tmp_path):
    model.run(audio=recording(tmp_path / "breath.wav", 0.004))


def test_a_language_is_asked_of_models_that_know_several(models):
    assert models("writes").run(audio=LIGHTS, language="de", translate=True)
    with pytest.raises(ValueError, match="'xx'; this model knows de, en, fr"):
        models("writes").run(audio=LIGHTS, language="xx")
    with pytest.raises(ValueError, match="no choice of languages"):
        models("spells").run(audio=LIGHTS, language="de")


def test_what_has_no_sound_is_refused(model, tmp_path):
    (tmp_path / "speech.wav").write_text("no sound")
    with pytest.raises(ValueError, match="audio"):
        model.run(audio=str(tmp_path / "speech.wav"))


def test_a_transducer_that_gives_a_letter_twice_means_it(models):
    runner = models("transduces").runner
    assert runner.tokenizer.decode([1, 1, 2], **runner.reading) == "aab"
