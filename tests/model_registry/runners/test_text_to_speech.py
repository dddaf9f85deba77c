from __future__ import annotations

import wave
from pathlib import Path

import pytest

from cog import CancelationException


def seconds(path):
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getnframes() / file.getframerate()


def test_words_become_sound(speak):
    assert 0.5 < seconds(speak.run(text="Good morning, everyone.")) < 4
    assert speak.told.metrics["audio_seconds"] > 0.5


def test_more_words_take_longer_and_more_speed_takes_less(speak):
    text = "One two three four five."
    plain = seconds(speak.run(text=text))
    assert seconds(speak.run(text=text * 3)) > 2 * plain
    assert seconds(speak.run(text=text, speed=320)) < 0.7 * plain


def test_every_language_and_every_voice_speaks(speak):
    for language in speak.module.LANGUAGES:
        assert seconds(speak.run(text="123", language=language)) > 0.2
    spoken = {speak.run(text="Hello", voice=voice).read_bytes() for voice in speak.module.VOICES}
    assert len(spoken) == len(speak.module.VOICES)


def test_a_long_text_tells_how_far_it_is(speak):
    speak.run(text="This is one of many sentences. " * 40)
    told = [done for done, _, unit in speak.told.steps if unit == "second"]
    assert len(told) > 10 and told == sorted(told)


@pytest.mark.parametrize("text", ["", "  \n", "...", "?!", "\x00"])
def test_a_text_without_a_sound_is_refused(speak, text):
    with pytest.raises(ValueError, match="Write"):
        speak.run(text=text)


@pytest.mark.parametrize("text", ["🙂", "日本語", "<speak>&amp;</speak>", "x" * 10_000, "a\x00b"])
def test_odd_texts_are_spoken(speak, text):
    assert seconds(speak.run(text=text)) > 0.1


def test_a_cancel_stops_espeak_in_the_middle(speak, monkeypatch):
    heard = []

    def cancel(self, done, total, unit):
        heard.append(done)
        raise CancelationException()

    monkeypatch.setattr(type(speak.told), "progress", cancel)
    with pytest.raises(CancelationException):
        speak.run(text="This is one of many sentences. " * 200)
    assert len(heard) == 1


def test_data_at_the_end_of_a_long_path_is_reached_by_a_link(speak, tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100) / "espeak-ng-data"
    deep.mkdir(parents=True)
    link = speak.module._short_path(deep)
    assert len(str(link)) <= speak.module.LONGEST_PATH
    assert link.resolve() == deep.resolve()
    assert speak.module._short_path(Path("/short")) == Path("/short")
