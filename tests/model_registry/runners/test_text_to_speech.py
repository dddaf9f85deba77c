from __future__ import annotations

import wave
from pathlib import Path

import pytest

from cog import CancelationException
from cog.scope import Scope, entered


def seconds(path):
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getnframes() / file.getframerate()


def spoken(speak, **inputs):
    """The seconds of everything that is said."""
    return sum(map(seconds, speak.run(**inputs)))


def test_words_become_sound(speak):
    assert 0.5 < spoken(speak, text="Good morning, everyone.") < 4
    assert speak.told.metrics["audio_seconds"] > 0.5


def test_more_words_take_longer_and_more_speed_takes_less(speak):
    text = "One two three four five."
    plain = spoken(speak, text=text)
    assert spoken(speak, text=text * 3) > 2 * plain
    assert spoken(speak, text=text, speed=320) < 0.7 * plain


def test_every_language_and_every_voice_speaks(speak):
    for language in speak.module.LANGUAGES:
        assert spoken(speak, text="123", language=language) > 0.2
    voices = speak.module.VOICES
    heard = {speak.run(text="Hello", voice=voice)[0].read_bytes() for voice in voices}
    assert len(heard) == len(voices)


LONG = "This is one of many sentences. " * 40


def test_a_short_text_is_one_file(speak):
    text = "Good morning! How are you? It is warm today."
    assert [path.name for path in speak.run(text=text)] == ["speech.wav"]


def test_a_long_text_comes_in_files_while_it_is_spoken(speak):
    with entered(Scope("test", speak.told)):
        running = speak.loaded.call(**speak.loaded.arguments({"text": LONG}))
        speak.told.steps.clear()
        first = next(running)
        assert all(done == 0 for done, _, _ in speak.told.steps)
        rest = list(running)
    assert first.name == "speech-01.wav" and len(rest) > 3
    assert 3 < seconds(first) < min(map(seconds, rest[2:]))
    assert speak.told.metrics["audio_seconds"] == pytest.approx(
        sum(map(seconds, [first, *rest])), abs=0.01
    )


def test_a_long_text_can_be_one_file(speak):
    (whole,) = speak.run(text=LONG, join=True)
    assert seconds(whole) == pytest.approx(spoken(speak, text=LONG), rel=0.01)
    assert whole.name == "speech.wav"


def test_a_long_text_tells_how_many_sentences_are_done(speak):
    speak.run(text=LONG)
    told = [(done, total) for done, total, unit in speak.told.steps if unit == "sentence"]
    assert told == sorted(told) and len(told) > 20
    assert told[0] == (0, 40) and told[-1] == (40, 40)


def test_what_makes_no_sound_between_sentences_is_left_out(speak):
    text = f"{LONG}\n\n{'... ' * 200}\n\n{LONG}"
    assert all(seconds(path) > 1 for path in speak.run(text=text))


@pytest.mark.parametrize("join", [False, True])
@pytest.mark.parametrize("text", ["", "  \n", "...", "?!", "\x00"])
def test_a_text_without_a_sound_is_refused(speak, text, join):
    with pytest.raises(ValueError, match="Write"):
        speak.run(text=text, join=join)


@pytest.mark.parametrize("text", ["🙂", "日本語", "<speak>&amp;</speak>", "x" * 10_000, "a\x00b"])
def test_odd_texts_are_spoken(speak, text):
    assert spoken(speak, text=text) > 0.1
    assert spoken(speak, text=text, join=True) > 0.1


def test_a_cancel_stops_espeak_in_the_middle(speak, monkeypatch):
    heard = []

    def cancel(self, done, total, unit):
        heard.append(done)
        raise CancelationException()

    monkeypatch.setattr(type(speak.told), "progress", cancel)
    with pytest.raises(CancelationException):
        speak.run(text="one of many words " * 200)
    assert len(heard) == 1


def test_a_cancel_between_two_files_ends_the_run(speak):
    with entered(Scope()):
        running = speak.loaded.call(**speak.loaded.arguments({"text": LONG}))
        next(running)
        with pytest.raises(CancelationException):
            running.throw(CancelationException())
        assert list(running) == []


def test_data_at_the_end_of_a_long_path_is_reached_by_a_link(speak, tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100) / "espeak-ng-data"
    deep.mkdir(parents=True)
    link = speak.module._short_path(deep)
    assert len(str(link)) <= speak.module.LONGEST_PATH
    assert link.resolve() == deep.resolve()
    assert speak.module._short_path(Path("/short")) == Path("/short")
