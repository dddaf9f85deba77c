from __future__ import annotations

import math
import random
import sys
import wave
from array import array

import numpy as np
import pytest

from cog import CancelationException
from model_registry.spec_files import RUNNERS
from model_registry.starter.train import listen as listen_recipe

sys.path.append(str(RUNNERS))
import listening
import subtitles

RATE = 16_000
SPEC = {"word_timestamps": True, "chunk_length": 8, "cut_at": "pauses"}


def written(path, samples, rate=RATE):
    """A WAV file of samples between -1 and 1."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(array("h", [round(each * 32767) for each in samples]).tobytes())
    return path


def silence(seconds):
    return [0.0] * int(seconds * RATE)


def noise(seconds):
    rng = random.Random(0)
    return [rng.uniform(-0.3, 0.3) for _ in range(int(seconds * RATE))]


def music(seconds):
    """Chords that fade, two a second."""
    chords = [(220, 277, 330), (196, 247, 294), (175, 220, 262), (165, 208, 247)]
    return [
        0.2
        * math.exp(-3 * (at / RATE % 0.5))
        * sum(math.sin(2 * math.pi * tone * at / RATE) for tone in chords[at * 2 // RATE % 4])
        for at in range(int(seconds * RATE))
    ]


@pytest.fixture(scope="module")
def speaker():
    return listen_recipe.speaker()


@pytest.fixture
def say(speaker, tmp_path):
    """Speech by espeak-ng as a file, in a voice that the starter was not trained with."""

    def said(*phrases, voice="en-us+m7", speed=150, pause=1.0):
        quiet = [0.0] * int(pause * speaker.rate)
        samples = list(quiet)
        for phrase in phrases:
            samples += [*speaker.say(phrase.split(), voice, speed, 50, 50).wave, *quiet]
        return written(tmp_path / "speech.wav", samples, speaker.rate)

    return said


def words(segments):
    return " ".join(each["text"] for each in segments).split()


def test_speech_becomes_words(listen, say):
    segments = listen.run(audio=str(say("turn on the red light")), **SPEC)
    assert words(segments) == ["turn", "on", "the", "red", "light"]
    assert listen.told.metrics["language"] == "en"
    assert listen.told.metrics["audio_seconds"] > 1


def test_each_word_has_its_time(listen, say):
    (segment,) = listen.run(audio=str(say("monday wednesday friday")), **SPEC)
    assert [each["word"].strip() for each in segment["words"]] == ["monday", "wednesday", "friday"]
    times = [time for each in segment["words"] for time in (each["start"], each["end"])]
    assert times == sorted(times)
    assert segment["start"] == times[0] and segment["end"] == times[-1]


def test_words_have_no_times_unless_asked(listen, say):
    (segment,) = listen.run(audio=str(say("hello")), chunk_length=8)
    assert segment.keys() == {"start", "end", "text"}


def test_a_pause_is_kept_in_the_times(listen, say):
    once = say("good morning", pause=6).stat().st_size
    segments = listen.run(audio=str(say("good morning", "good morning", pause=6)), **SPEC)
    twice = say("good morning", "good morning", pause=6).stat().st_size
    first, second = segments
    assert (first["text"], second["text"]) == ("good morning", "good morning")
    later = (twice - once) / 2 / listen_recipe.speaker().rate
    assert second["start"] - first["start"] == pytest.approx(later, abs=0.1)


@pytest.mark.parametrize("make", [silence, noise, music])
def test_what_is_no_speech_gives_no_segment(listen, tmp_path, capsys, make):
    path = written(tmp_path / "none.wav", make(4))
    assert listen.run(audio=str(path), **SPEC) == []
    assert "Nobody was heard" in capsys.readouterr().out


def test_subtitles_come_with_the_last_segment(listen, say):
    audio = str(say(*["one two three"] * 4))
    srt = listen.run(audio=audio, transcription="srt", **SPEC)
    blocks = srt[-1]["subtitles"].read_text().split("\n\n")
    assert len(blocks) == len(srt) == 4 and not any("subtitles" in each for each in srt[:-1])
    number, times, text = blocks[0].split("\n")
    assert (number, text) == ("1", srt[0]["text"])
    assert times.startswith("00:00:0") and times[8] == "," and " --> " in times
    vtt = listen.run(audio=audio, transcription="vtt", **SPEC)[-1]["subtitles"]
    assert vtt.name == "transcript.vtt"
    assert vtt.read_text().startswith("WEBVTT\n\n1\n00:00:0")


def test_times_of_subtitles_are_written_as_players_want_them():
    clock = subtitles.clock
    assert clock(0, ",") == "00:00:00,000"
    assert clock(3725.4996, ".") == "01:02:05.500"
    assert clock(59.9999, ",") == "00:01:00,000"


@pytest.mark.parametrize("content", [b"", b"not sound at all", b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_what_is_no_recording_is_refused(listen, tmp_path, content):
    path = tmp_path / "audio.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no sound that can be read"):
        listen.run(audio=str(path))


def test_a_recording_of_no_seconds_is_refused(listen, tmp_path):
    with pytest.raises(ValueError, match="no sound that can be read"):
        listen.run(audio=str(written(tmp_path / "empty.wav", [])))


@pytest.mark.parametrize("samples", [1, 50, 399, 1600])
def test_a_moment_is_listened_to(listen, tmp_path, samples):
    path = written(tmp_path / "moment.wav", [0.1] * samples)
    assert listen.run(audio=str(path), **SPEC) == []
    assert len(listen.run(audio=str(path), vad_filter=False)) <= 1


def test_a_model_for_english_refuses_other_languages(listen, say):
    audio = str(say("yes"))
    with pytest.raises(ValueError, match="English only"):
        listen.run(audio=audio, language="de")
    with pytest.raises(ValueError, match="English only"):
        listen.run(audio=audio, translate=True)
    assert words(listen.run(audio=audio, language="en", **SPEC)) == ["yes"]


def test_numbers_of_tokens_must_be_numbers(listen, say):
    with pytest.raises(ValueError, match="suppress_tokens"):
        listen.run(audio=str(say("yes")), suppress_tokens="the")


def test_pauses_are_only_found_where_they_are_looked_for(listen, say):
    with pytest.raises(ValueError, match="vad_filter"):
        listen.run(audio=str(say("yes")), vad_filter=False, cut_at="pauses")


def test_the_same_seed_writes_the_same(listen, say):
    audio = str(say("seven purple wednesday"))
    once = listen.run(audio=audio, temperature=1, seed=5, **SPEC)
    assert listen.run(audio=audio, temperature=1, seed=5, **SPEC) == once


@pytest.mark.heavy
def test_ten_minutes_stream_with_bounded_memory(listen, speaker, say, tmp_path, monkeypatch):
    once = say("open the green door", pause=14).read_bytes()[44:]
    count = 600 * speaker.rate * 2 // len(once)
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, speaker.rate, 0, "NONE", ""))
        for _ in range(count):
            file.writeframes(once)
    longest = []
    transcribe = listen.runner.whisper.batched.transcribe

    def measured(sound, **options):
        longest.append(len(sound) / RATE)
        return transcribe(sound, **options)

    monkeypatch.setattr(listen.runner.whisper.batched, "transcribe", measured)
    segments = listen.run(audio=str(path), **SPEC)
    assert len(segments) == count
    each = len(once) / speaker.rate / 2
    for number, segment in enumerate(segments):
        assert segment["start"] == pytest.approx(segments[0]["start"] + number * each, abs=0.3)
    assert len(longest) >= 5 and max(longest) <= listening.STRETCH + 30
    done = [step for step, total, unit in listen.told.steps if unit == "second"]
    assert done == sorted(done) and len(done) > count
    assert done[-1] == pytest.approx(600, abs=25)


def test_speech_across_the_end_of_a_stretch_is_heard_whole(listen, say, monkeypatch):
    monkeypatch.setattr(listening, "STRETCH", 6)
    said = ["one two three", "four five six", "seven eight nine"] * 4
    heard = words(listen.run(audio=str(say(*said, pause=0.3)), **SPEC))
    assert abs(len(heard) - 36) <= 4, heard


def test_where_nobody_looks_for_speech_it_is_cut_at_the_quietest_moments(listen):
    loud = [0.5] * (3 * RATE)
    sound = np.array([*loud, *silence(0.5), *loud, *silence(0.5), *loud])
    hears = listening.Listener(listen.runner.whisper.batched, False, False, 4, False, language=None)
    assert hears._windows(sound) == [
        (0.0, pytest.approx(3.25, abs=0.25)),
        (pytest.approx(3.25, abs=0.25), pytest.approx(6.75, abs=0.25)),
        (pytest.approx(6.75, abs=0.25), 10.0),
    ]


def test_a_pause_is_taken_out_of_the_words_around_it(listen):
    without = listening._without_pauses
    speech = [(1.0, 2.0), (3.0, 4.0)]
    assert without(0.2, 1.5, speech) == (1.0, 1.5)
    assert without(1.5, 2.9, speech) == (1.5, 2.0)
    assert without(2.0, 3.4, speech) == (3.0, 3.4)
    assert without(1.5, 3.4, speech) == (1.5, 3.4)
    assert without(2.2, 2.8, speech) == (2.2, 2.8)


def test_a_cancel_stops_between_two_segments(listen, say, monkeypatch):
    def cancel(self, done, total, unit):
        raise CancelationException()

    audio = str(say("go left"))
    monkeypatch.setattr(type(listen.told), "progress", cancel)
    with pytest.raises(CancelationException):
        listen.run(audio=audio, **SPEC)
