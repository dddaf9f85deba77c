from __future__ import annotations

import numpy as np
import pytest
import soundfile

from model_registry.spec_files import RUNNERS
from tests.model_registry.runners.conftest import Model
from tests.tiny import music

# AutoencoderOobleck still asks torch for its old weight norm.
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
VOICE = str(RUNNERS.parent / "starter" / "listen" / "lights.wav")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    def made(make, kind):
        folder = tmp_path_factory.mktemp(kind)
        make(folder)
        return Model(f"sound_diffusion.py:{kind}", folder)

    return made


@pytest.fixture(scope="module")
def song(made):
    return made(music.ace_step, "Song")


@pytest.fixture(scope="module")
def noises(made):
    return made(music.stable_audio, "StableAudioOpen")


@pytest.fixture(scope="module")
def latest(made):
    return made(music.stable_audio_3, "StableAudio3")


def sound(path):
    samples, rate = soundfile.read(path)
    return samples, rate


def test_a_song_has_two_channels_and_the_length_asked_for(song):
    path = song.run(prompt="a calm piano", lyrics="[verse]\nla la", duration=2, bpm=90, seed=1)
    samples, rate = sound(path)
    assert (rate, samples.shape) == (8_000, (16_000, 2)) and np.abs(samples).max() > 0.1
    assert [step for step, _, _ in song.told.steps] == [1, 2, 3, 4, 5, 6, 7, 8]
    metrics = song.told.metrics
    assert metrics["audio_seconds"] == 2 and metrics["seed"] == 1
    assert metrics["real_time_factor"] > 0


def test_several_sounds_come_one_after_another_in_one_file(noises):
    given = {"prompt": "rain", "seconds_total": 1, "steps": 2, "seed": 1}
    one, rate = sound(noises.run(**given))
    three, _ = sound(noises.run(**given, batch_size=3))
    assert len(three) == 3 * len(one)
    first, second = three[: len(one)], three[len(one) : 2 * len(one)]
    assert np.abs(first - second).max() > 0.01


def test_every_format_is_what_it_says(latest):
    for kind, name in (("wav", "WAV"), ("mp3", "MP3"), ("flac", "FLAC")):
        path = latest.run(prompt="rain", duration=1, steps=1, output_format=kind)
        assert path.suffix == f".{kind}" and soundfile.info(path).format == name


def test_a_song_takes_after_another(song):
    plain = song.run(prompt="rain", duration=1, num_inference_steps=1, seed=1).read_bytes()
    other = song.run(
        prompt="rain", duration=1, num_inference_steps=1, seed=1, reference_audio=VOICE
    )
    assert other.read_bytes() != plain


def test_a_distilled_model_refuses_guidance(song):
    with pytest.raises(ValueError, match="leave guidance_scale out"):
        song.run(prompt="rain", guidance_scale=7)


def test_long_texts_are_said_to_be_cut(song, latest, capsys):
    song.run(prompt="x " * 300, lyrics="yy " * 1500, duration=1, num_inference_steps=1)
    latest.run(prompt="x " * 100_000, duration=1, steps=1)
    log = capsys.readouterr().out
    assert "the first 256 are read" in log and "the first 2048 are read" in log


def test_an_excerpt_has_the_length_between_its_ends(noises):
    samples, rate = sound(noises.run(prompt="rain", seconds_start=1, seconds_total=4, steps=3))
    assert samples.shape == (3 * rate, 2)
    with pytest.raises(ValueError, match="nothing is left"):
        noises.run(prompt="rain", seconds_start=4, seconds_total=4)


def test_noise_between_other_ends_sounds_otherwise(noises):
    own = noises.run(prompt="rain", steps=3, seed=1).read_bytes()
    assert noises.run(prompt="rain", steps=3, seed=1, sigma_min=0.03).read_bytes() != own
    assert noises.run(prompt="rain", steps=3, seed=1).read_bytes() == own


def test_what_would_have_no_effect_is_refused(latest):
    with pytest.raises(ValueError, match="negative_prompt has no effect"):
        latest.run(prompt="rain", negative_prompt="wind")
    guided = latest.run(prompt="rain", negative_prompt="wind", cfg_scale=3, steps=2, duration=1)
    assert guided.exists()


def test_an_empty_prompt_is_refused(song, noises, latest):
    for model in (song, noises, latest):
        with pytest.raises(ValueError, match="prompt"):
            model.run(prompt=" ")
