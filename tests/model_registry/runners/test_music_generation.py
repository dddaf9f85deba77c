from __future__ import annotations

import math

import numpy as np
import pytest
import soundfile

from model_registry.spec_files import RUNNERS
from tests.model_registry.runners.conftest import Model
from tests.tiny import music

# What the library says of MusicGen's own padding token, which lies past its vocabulary.
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
VOICE = str(RUNNERS.parent / "starter" / "listen" / "lights.wav")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    def made(**kind):
        folder = tmp_path_factory.mktemp("musicgen")
        music.musicgen(folder, **kind)
        model = Model("music_generation.py:MusicGeneration", folder)
        model.runner.version = "large"
        return model

    return made


@pytest.fixture(scope="module")
def plain(made):
    return made()


@pytest.fixture(scope="module")
def melodious(made):
    return made(melody=True, stereo=True)


def test_music_has_the_length_and_the_channels_of_its_model(plain, melodious):
    for model, channels in ((plain, 1), (melodious, 2)):
        info = soundfile.info(model.run(prompt="a calm piano", duration=1))
        assert (info.duration, info.channels, info.samplerate) == (1, channels, 32_000)
        assert model.told.metrics["audio_seconds"] == 1


def test_progress_goes_by_seconds_of_music(plain):
    plain.run(prompt="rain", duration=2)
    done = [step for step, total, unit in plain.told.steps if (total, unit) == (2, "second")]
    assert done == sorted(done) and len(done) > 100 and (done[0], done[-1]) == (0, 2)


def test_what_continues_something_comes_after_it_within_the_duration(plain, melodious):
    for model in (plain, melodious):
        given = {"prompt": "rain", "input_audio": VOICE, "continuation": True, "seed": 1}
        path = model.run(**given, duration=4)
        assert soundfile.info(path).duration == 4
        done = [step for step, _, _ in model.told.steps]
        assert done[0] == pytest.approx(soundfile.info(VOICE).duration, abs=0.05) and done[-1] == 4
        part = {"continuation_start": 1, "continuation_end": 2}
        path = model.run(**given, duration=2, **part)
        assert soundfile.info(path).duration == 2
        assert model.told.steps[0][0] == pytest.approx(1, abs=0.02)


def test_continuations_that_cannot_be_are_refused(plain):
    asked = {"prompt": "rain", "continuation": True}
    with pytest.raises(ValueError, match="nothing to continue"):
        plain.run(**asked)
    with pytest.raises(ValueError, match="must be after continuation_start"):
        plain.run(**asked, input_audio=VOICE, continuation_start=2, continuation_end=1)
    with pytest.raises(ValueError, match="ends before continuation_start"):
        plain.run(**asked, input_audio=VOICE, continuation_start=20)
    with pytest.raises(ValueError, match=r"as long as all shall be, 2 seconds.*up to 30"):
        plain.run(**asked, input_audio=VOICE, duration=2)


def test_of_a_melody_too_only_the_part_asked_for_is_heard(melodious):
    given = {"prompt": "rain", "duration": 1, "seed": 1, "input_audio": VOICE}
    begin, middle = (
        melodious.run(**given, continuation_start=start, continuation_end=start + 1).read_bytes()
        for start in (0, 1)
    )
    assert begin != middle
    with pytest.raises(ValueError, match="ends before continuation_start"):
        melodious.run(**given, continuation_start=20)


def test_a_melody_is_followed_by_who_can_hear_it(plain, melodious):
    inputs = {"prompt": "rain", "duration": 1, "seed": 1}
    followed = melodious.run(**inputs, input_audio=VOICE).read_bytes()
    assert followed != melodious.run(**inputs).read_bytes()
    with pytest.raises(ValueError, match="cannot follow a melody"):
        plain.run(**inputs, input_audio=VOICE)


def test_a_melody_is_the_loudest_of_twelve_tones(melodious, tmp_path):
    rate, path = 32_000, tmp_path / "tones.wav"
    # C, E, A: the tones 0, 4 and 9.
    tones = [261.63, 329.63, 440.0]
    parts = [[math.sin(2 * math.pi * tone * at / rate) for at in range(2 * rate)] for tone in tones]
    soundfile.write(path, np.concatenate(parts) * 0.5, rate)
    heard = melodious.runner._melody(path, (0, None), 6)[0].argmax(-1).tolist()
    assert (heard[4], heard[24], heard[40]) == (0, 4, 9)


def test_another_version_is_refused_where_a_version_has_one(plain):
    with pytest.raises(ValueError, match="large, not melody. Ask for the model by its name alone"):
        plain.run(prompt="rain", model_version="melody")
    with pytest.raises(ValueError, match="MultiBand Diffusion is not available"):
        plain.run(prompt="rain", multi_band_diffusion=True)
    with pytest.raises(ValueError, match="Say in prompt"):
        plain.run(prompt="  ")


def test_sampling_follows_its_inputs(plain):
    asked = {"prompt": "rain", "duration": 1}
    once = plain.run(**asked, temperature=0, seed=1).read_bytes()
    assert plain.run(**asked, temperature=0, seed=2).read_bytes() == once
    assert plain.run(**asked, top_k=1, seed=2).read_bytes() == once
    assert plain.run(**asked, top_p=0.5, seed=2, output_format="mp3").suffix == ".mp3"


def test_a_very_long_prompt_is_said_to_be_cut(plain, capsys):
    plain.run(prompt="rain " * 40_000, duration=1)
    assert "the first 512 are read" in capsys.readouterr().out
