from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import soundfile

from cog import CancelationException
from tests.model_registry.runners.conftest import REGISTRY, Model

MELODY = REGISTRY / "starter" / "melody"


@pytest.fixture(scope="module")
def melody():
    return Model("note_music.py:NoteMusic", MELODY)


@pytest.fixture(scope="module")
def random_notes(tmp_path_factory):
    """An untrained model over the same events, whose context is short."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("random-notes")
    tokenizer = AutoTokenizer.from_pretrained(MELODY)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=320,
        )
    ).save_pretrained(folder)
    return Model("note_music.py:NoteMusic", folder)


def heard(path):
    sound, rate = soundfile.read(path, dtype="float32")
    assert (rate, sound.shape[1]) == (44_100, 2)
    return sound


def score(model, **changes):
    asked = {"mood": "calm", "tempo": 100, "tonic": "C", "mode": "major"}
    asked |= {"instrument": "piano", "drums": False, "seconds": 30}
    return model.module.Score(**asked | changes)


def test_a_prompt_becomes_music_that_fades_and_does_not_clip(melody, capsys):
    sound = heard(melody.run(prompt="a calm piano tune in C minor", seconds=8, seed=1))
    assert len(sound) == 8 * 44_100
    assert 0.5 < np.abs(sound).max() < 0.99
    assert np.abs(sound[-200:]).max() < 0.01
    told = capsys.readouterr().out
    assert "Using seed: 1" in told
    assert "Playing: calm, C minor" in told and "piano, 8 seconds" in told
    assert "never taught" not in told
    assert melody.told.metrics["audio_seconds"] == 8
    assert melody.told.metrics["note_count"] > 10


def test_the_inputs_count_more_than_the_prompt(melody, capsys):
    melody.run(
        prompt="a sad flute in C minor at 70 bpm",
        mood="happy",
        key="Eb major",
        tempo=120,
        instrument="marimba",
        drums=True,
        seconds=5,
        seed=1,
    )
    told = capsys.readouterr().out
    assert "happy, Eb major, 120 beats a minute, marimba and drums, 5 seconds" in told


def test_words_that_it_was_never_taught_are_told(melody, capsys):
    melody.run(prompt="a calm tuba in C minor at 90 bpm 🙂", seconds=5, seed=1)
    told = capsys.readouterr().out
    assert "never taught: tuba, 🙂" in told
    assert "90 beats a minute" in told


def test_the_same_seed_gives_the_same_bytes_and_another_another_tune(melody):
    once, again, other = (
        melody.run(prompt="happy", seconds=6, seed=seed).read_bytes() for seed in (7, 7, 8)
    )
    assert once == again != other


def test_every_instrument_is_heard(melody):
    sounds = {
        name: heard(melody.run(mood="calm", key="C major", instrument=name, seconds=5, seed=1))
        for name in melody.module.INSTRUMENTS
    }
    assert len({sound.tobytes() for sound in sounds.values()}) == len(melody.module.INSTRUMENTS)
    for name, sound in sounds.items():
        first = sound[: len(sound) // 2]
        assert math.sqrt((first**2).mean()) > 0.02, f"{name} is hardly heard"


def test_a_run_tells_the_seconds_that_are_made_and_shows_the_notes(melody):
    melody.run(mood="happy", tempo=120, seconds=12, seed=1)
    told = melody.told.steps
    assert len(told) > 4 and told == sorted(told)
    assert told[-1] == (12, 12, "second")
    assert melody.told.previews


def test_the_theme_comes_back(melody):
    """Where the plan says so: after four bars, not after eight, and again after twelve."""
    bars = [
        [(each.voice, each.pitch, each.at % 16) for each in bar]
        for bar in melody.runner.notes(score(melody, seconds=40), 0.9, 1)
    ]
    assert len(bars) == 17
    assert bars[0:2] == bars[4:6] == bars[12:14]
    assert bars[8:10] != bars[0:2]


@pytest.mark.parametrize(("seconds", "tempo"), [(5, 50), (5, 200), (120, 50), (61.5, 133)])
def test_it_lasts_as_long_as_asked_whatever_the_tempo(melody, seconds, tempo):
    bars = list(melody.runner.notes(score(melody, seconds=seconds, tempo=tempo), 0.9, 1))
    assert all(bars)
    last = bars[-1][0].at * 60 / tempo / 4
    assert 0.4 < seconds - last < 1.5 + 6 * 60 / tempo


def test_a_cancel_ends_it_between_two_bars(melody, monkeypatch):
    heard = []

    def cancel(self, done, total, unit):
        heard.append(done)
        raise CancelationException()

    monkeypatch.setattr(type(melody.told), "progress", cancel)
    with pytest.raises(CancelationException):
        melody.run(mood="calm", seconds=60, seed=1)
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"mood": "grumpy"}, "this model knows calm,"),
        ({"prompt": "at 300 bpm"}, "50 to 200 are allowed"),
    ],
)
def test_what_cannot_be_played_is_refused_with_a_reason(melody, inputs, said):
    with pytest.raises(ValueError, match=said):
        melody.run(**inputs)


@pytest.mark.parametrize(
    "prompt", ["", "🙂🙂", "zxqv blorp", "<start> mood:", "\x00", "x" * 10_000]
)
def test_a_prompt_that_says_nothing_still_gives_music(melody, prompt):
    assert len(heard(melody.run(prompt=prompt, seconds=5, seed=1))) == 5 * 44_100


def test_temperature_zero_needs_no_seed(melody):
    once, again = (
        [list(bar) for bar in melody.runner.notes(score(melody, seconds=10), 0, seed)]
        for seed in (1, 2)
    )
    assert once == again


def test_an_untrained_model_writes_what_can_be_played_and_forgets_old_phrases(random_notes):
    bars = list(random_notes.runner.notes(score(random_notes, seconds=90), 1.5, 3))
    assert len(bars) == 37
    for number, bar in enumerate(bars):
        for note in bar:
            assert note.length >= 1
            assert 16 * number <= note.at and note.at + note.length <= 16 * (number + 1)
    sound = heard(random_notes.run(seconds=6, seed=1, temperature=2))
    assert np.isfinite(sound).all() and np.abs(sound).max() < 0.99


def test_a_note_lasts_until_its_voice_goes_on_or_is_stopped(melody):
    events = ["loud:2", "at:0", "bass:36", "chord:52", "chord:55", "len:2", "melody:64"]
    notes = sys.modules["note_writing"].notes_of(1, [*events, "at:6", "melody:65", "next"])
    assert [(each.voice, each.pitch, each.at, each.length) for each in notes] == [
        ("bass", 36, 16, 16),
        ("chord", 52, 16, 2),
        ("chord", 55, 16, 2),
        ("melody", 64, 16, 6),
        ("melody", 65, 22, 10),
    ]
