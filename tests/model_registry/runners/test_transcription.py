from __future__ import annotations

import math
import sys
import wave
from array import array

import pytest

from cog.loading import load
from cog.scope import Scope, entered
from model_registry.spec_files import RUNNERS
from tests.tiny import audio as tiny

sys.path.append(str(RUNNERS))
from spoken_languages import NAMES

LIGHTS = str(RUNNERS.parent / "starter" / "listen" / "lights.wav")
RATE = 16_000


class Told:
    def __init__(self):
        self.metrics, self.steps = {}, []

    def metric(self, name, value, mode):
        self.metrics[name] = value

    def progress(self, done, total, unit):
        self.steps.append((done, total, unit))


class Whisper:
    def __init__(self, folder, large_v3=False, **options):
        tiny.whisper(folder, large_v3)
        self.loaded = load(str(RUNNERS), "transcription.py:Transcription")
        self.loaded.setup(str(folder), "", options)
        self.told = Told()

    def run(self, recording=LIGHTS, **inputs):
        self.told = Told()
        with entered(Scope("test", self.told)):
            return self.loaded.call(**self.loaded.arguments({"audio": str(recording), **inputs}))


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large-v3")
    return Whisper(folder, large_v3=True, size="large-v3")


@pytest.fixture(scope="module")
def old_whisper(tmp_path_factory):
    """Of the time before large-v3: fewer bands, and a language less."""
    return Whisper(tmp_path_factory.mktemp("tiny"), size="tiny")


@pytest.fixture
def recording(tmp_path):
    """A file of so many minutes, in each of which the light is turned on so many times."""

    def made(minutes, times=1):
        with wave.open(LIGHTS) as file:
            spoken, rate = file.readframes(file.getnframes()), file.getframerate()
        once = (spoken * times).ljust(60 * rate * 2, b"\0")
        path = tmp_path / "long.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            for _ in range(minutes):
                file.writeframes(once)
        return path

    return made


def test_the_answer_has_the_fields_of_replicates(whisper):
    output = whisper.run(seed=1)
    assert output.detected_language in NAMES.values()
    assert output.transcription == "".join(each["text"] for each in output.segments)
    assert output.translation is output.srt_file is output.vtt_file is None
    assert output.txt_file.read_text().strip() == output.transcription.strip()
    (segment,) = output.segments
    assert segment.keys() == {
        "id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob",
        "compression_ratio", "no_speech_prob",
    }  # fmt: skip
    assert whisper.told.metrics["audio_seconds"] == pytest.approx(2.2, abs=0.3)
    assert whisper.told.metrics["real_time_factor"] > 0


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles_are_the_transcription_and_a_file(whisper, kind):
    output = whisper.run(transcription=kind)
    file = getattr(output, f"{kind}_file")
    assert file.read_text().strip() == output.transcription.strip()
    assert " --> " in output.transcription and output.txt_file is None


def test_each_segment_is_in_the_log_when_it_is_understood(whisper, capsys):
    output = whisper.run()
    log = capsys.readouterr().out
    assert all(f"] {each['text'].strip()}\n" in log for each in output.segments)
    assert "Language: " in log


@pytest.mark.parametrize("words", [True, False])
def test_no_segment_lasts_into_the_next_one_or_beyond_the_recording(whisper, recording, words):
    """A free Whisper says times that lie beyond what it was given to hear."""
    options = {"temperature": 1, "vad_filter": False, "word_timestamps": words}
    segments = whisper.run(recording(3, times=12), seed=1, **options).segments
    assert len(segments) > 3
    spans = [each for segment in segments for each in segment.get("words", [segment])]
    times = [at for each in spans for at in (each["start"], each["end"])]
    assert times == sorted(times)
    assert times[-1] <= whisper.told.metrics["audio_seconds"]


def test_a_recording_of_a_moment_has_nobody_speak_in_it(whisper, tmp_path, capsys):
    path = tmp_path / "one.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(b"\0\0")
    assert whisper.run(path).segments == []
    assert "Nobody was heard speaking." in capsys.readouterr().out


@pytest.mark.parametrize("number", [99_999_999, -5])
def test_a_token_that_the_model_does_not_have_is_refused(whisper, number):
    with pytest.raises(ValueError, match=f"suppress_tokens has {number}"):
        whisper.run(suppress_tokens=f"-1,7,{number}")


def test_a_search_that_would_keep_no_wording_is_refused(whisper):
    with pytest.raises(ValueError, match=r"patience is 0\.1 and beam_size 4: no wording would"):
        whisper.run(patience=0.1, beam_size=4)
    assert whisper.run(patience=0.1, beam_size=5).segments


def test_a_translation_is_heard_in_a_second_turn(whisper):
    output = whisper.run(translate=True)
    assert output.translation and output.transcription
    done = [step for step, _, _ in whisper.told.steps]
    (total,) = {total for _, total, _ in whisper.told.steps}
    assert done == sorted(done) and done[-1] == pytest.approx(total, abs=0.1)
    assert total == pytest.approx(2 * whisper.told.metrics["audio_seconds"], abs=0.1)


def test_words_have_times_and_chances(whisper):
    (segment,) = whisper.run(word_timestamps=True).segments
    assert "".join(each["word"] for each in segment["words"]) == segment["text"]
    assert all(0 <= each["probability"] <= 1 for each in segment["words"])


def test_a_language_is_given_by_code_or_by_name(whisper):
    assert whisper.run(language="de").detected_language == "german"
    assert whisper.run(language="Castilian").detected_language == "spanish"
    assert whisper.run(language="yue").detected_language == "cantonese"


def test_a_language_that_came_later_is_refused_by_name(old_whisper):
    with pytest.raises(ValueError, match="does not understand 'Cantonese'.* auto or one of af, "):
        old_whisper.run(language="Cantonese")
    assert old_whisper.run().transcription


def test_another_size_is_refused_where_a_version_has_one(whisper):
    assert whisper.run(model="large-v3").transcription
    with pytest.raises(ValueError, match=r"large-v3, not base\. Ask for the model by its name"):
        whisper.run(model="base")


def test_pieces_are_understood_together(whisper, recording, capsys, monkeypatch):
    sizes = []
    batched = whisper.loaded._owner.whisper.batched
    forward = batched.forward

    def counted(features, *others):
        sizes.append(len(features))
        return forward(features, *others)

    monkeypatch.setattr(batched, "forward", counted)
    output = whisper.run(recording(4, times=12), batch_size=3, word_timestamps=True)
    assert len(output.segments) == 4 and max(sizes) == 3
    assert [each["start"] // 60 for each in output.segments] == [0, 1, 2, 3]
    assert "Understanding 3 pieces together" in capsys.readouterr().out
    with pytest.raises(ValueError, match="vad_filter"):
        whisper.run(batch_size=3, vad_filter=False)


def test_what_is_said_between_long_silences_is_listened_to_together(
    whisper, recording, monkeypatch
):
    listened = []
    model = whisper.loaded._owner.whisper.batched.model
    transcribe = model.transcribe

    def counted(sound, **options):
        listened.append(options["clip_timestamps"])
        return transcribe(sound, **options)

    monkeypatch.setattr(model, "transcribe", counted)
    output = whisper.run(recording(7), word_timestamps=True)
    ((begin, end),) = listened  # 7 times 2.4 seconds of speech fit into one window of 30
    assert (begin, end) == (0, pytest.approx(7 * 2.4, abs=5))
    assert all(each["start"] % 60 < 3 for said in output.segments for each in said["words"])
    assert output.segments[-1]["end"] > 360
    assert whisper.told.metrics["audio_seconds"] == 420


def test_silence_says_nothing(whisper, tmp_path):
    path = tmp_path / "silence.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(4 * RATE))
    output = whisper.run(path, translate=True)
    assert (output.segments, output.transcription, output.translation) == ([], "", "")
    assert output.detected_language == "unknown"


def test_a_recording_of_no_seconds_is_refused(whisper, tmp_path):
    path = tmp_path / "empty.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
    with pytest.raises(ValueError, match="no sound that can be read"):
        whisper.run(path)


def test_the_same_seed_writes_the_same(whisper):
    once = whisper.run(temperature=1, seed=3)
    assert whisper.run(temperature=1, seed=3).segments == once.segments
    assert any(whisper.run(temperature=1, seed=each).segments != once.segments for each in (4, 5))


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_two_hours_are_heard_with_bounded_memory(whisper, tmp_path):
    """A tone that comes and goes, so that nothing is skipped in decoding or looking for speech."""
    path = tmp_path / "hours.wav"
    minute = array(
        "h",
        (int(8000 * math.sin(at * 0.17) * (at // RATE % 4 == 0)) for at in range(60 * RATE)),
    ).tobytes()
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for _ in range(120):
            file.writeframes(minute)
    resting = _resident()
    held = []
    tell = Told.progress

    def measured(self, done, total, unit):
        held.append(_resident() - resting)
        tell(self, done, total, unit)

    whisper.told = Told()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Told, "progress", measured)
        whisper.run(path)
    assert whisper.told.metrics["audio_seconds"] == 7200
    assert max(held) < 250_000_000, "the samples alone are 460 MB"


def _resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
