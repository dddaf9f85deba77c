from __future__ import annotations

import sys
from pathlib import Path

import pytest

RUNNERS = Path(__file__).resolve().parents[3] / "model_registry" / "runners"


@pytest.fixture(scope="module")
def module():
    sys.path.insert(0, str(RUNNERS))
    import music_prompt

    return music_prompt


def wishes(module, prompt):
    return module.read(prompt, ("piano", "music box", "flute"))


@pytest.mark.parametrize(
    ("prompt", "key"),
    [
        ("a calm piano tune in C minor", ("C", "minor")),
        ("F# major", ("F#", "major")),
        ("f sharp major, please", ("F#", "major")),
        ("in the key of B♭ major", ("Bb", "major")),
        ("G-flat major", ("F#", "major")),
        ("C# minor", ("Db", "minor")),
        ("something in A minor", ("A", "minor")),
        ("a minor", ("A", "minor")),
        ("a tune in a minor key", (None, "minor")),
        ("a major song", (None, "major")),
        ("in minor", (None, "minor")),
        ("Am", ("A", "minor")),
        ("in the key of G", ("G", None)),
        ("in Eb", ("Eb", None)),
        ("I am in Germany and be happy", (None, None)),
        ("a happy tune", (None, None)),
    ],
)
def test_a_key_is_read_in_many_ways(module, prompt, key):
    found = wishes(module, prompt)
    assert (found.tonic, found.mode) == key


def test_every_key_that_can_be_chosen_can_be_written(module):
    for key in module.KEYS:
        found = wishes(module, f"a tune in {key} for flute")
        assert f"{found.tonic} {found.mode}" == key


@pytest.mark.parametrize(
    ("prompt", "tempo", "pace"),
    [
        ("90 bpm", 90, None),
        ("at 120 beats per minute", 120, None),
        ("100 beats a minute", 100, None),
        ("a slow tune", None, "slow"),
        ("120 years ago", None, None),
    ],
)
def test_a_tempo_is_read(module, prompt, tempo, pace):
    found = wishes(module, prompt)
    assert (found.tempo, found.pace) == (tempo, pace)


def test_the_first_mood_and_the_first_instrument_count(module):
    found = wishes(module, "A Cheerful flute, then sad, with a music box and drums")
    assert (found.mood, found.instrument, found.drums) == ("happy", "flute", True)
    assert wishes(module, "music box").instrument == "music box"
    assert wishes(module, "no drums").drums is False
    assert wishes(module, "without drums").drums is False


@pytest.mark.parametrize("prompt", ["", "🙂", "日本語", "x" * 10_000, "\x00", "m m m " * 2000])
def test_a_prompt_that_says_nothing_wishes_nothing(module, prompt):
    found = wishes(module, prompt)
    assert {found.mood, found.tonic, found.mode, found.tempo, found.instrument} == {None}
    assert found.rest == prompt
