"""Recordings of any format as samples, a stretch at a time."""

from __future__ import annotations

import math
import sys

import av
import numpy as np
import pytest

from cog import InvalidInput
from model_registry.spec_files import RUNNERS

RATE = 16_000


@pytest.fixture(scope="module")
def recording():
    """The module, imported as runners import it."""
    sys.path.insert(0, str(RUNNERS))
    try:
        import recording

        yield recording
    finally:
        sys.path.remove(str(RUNNERS))


def encoded(path, codec, seconds=2.0, rate=48_000, layout="stereo", container=None):
    """A tone of 440 Hz in a file."""
    time = np.arange(int(seconds * rate)) / rate
    tone = (0.5 * np.sin(2 * math.pi * 440 * time)).astype(np.float32)
    channels = 2 if layout == "stereo" else 1
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        resampler = av.AudioResampler(stream.format, layout, rate, stream.codec_context.frame_size)
        frame = av.AudioFrame.from_ndarray(np.stack([tone] * channels), "fltp", layout)
        frame.sample_rate = rate
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return path


def heard(recording, path, stretch=60):
    with recording.Recording(path, RATE, stretch) as opened:
        return list(opened.parts()), opened.seconds


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s16le"), ("a.mp3", "libmp3lame"), ("a.flac", "flac"), ("a.ogg", "libopus"),
        ("a.m4a", "aac"), ("a.webm", "libopus"), ("a.mkv", "pcm_f32le"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_a_file_of_any_format_is_heard(recording, tmp_path, name, codec, layout):
    ((sound, ended),), seconds = heard(recording, encoded(tmp_path / name, codec, layout=layout))
    assert ended and sound.dtype == np.float32
    assert len(sound) / RATE == pytest.approx(2, abs=0.1)
    assert seconds == pytest.approx(2, abs=0.1)
    spectrum = np.abs(np.fft.rfft(sound))
    assert spectrum.argmax() * RATE / len(sound) == pytest.approx(440, abs=3)
    assert np.sqrt((sound**2).mean()) == pytest.approx(0.354, abs=0.04)


def test_what_is_long_comes_in_stretches(recording, tmp_path):
    path = encoded(tmp_path / "a.flac", "flac", seconds=7.5)
    parts, _ = heard(recording, path, stretch=2)
    assert [ended for _, ended in parts] == [False, False, False, True]
    whole = np.concatenate([sound for sound, _ in parts])
    assert np.array_equal(whole, heard(recording, path)[0][0][0])
    assert max(len(sound) for sound, _ in parts) < 3 * RATE


def test_a_file_cut_off_is_heard_up_to_there(recording, tmp_path):
    path = encoded(tmp_path / "a.mp3", "libmp3lame", seconds=4)
    path.write_bytes(path.read_bytes()[:20_000])
    parts, _ = heard(recording, path)
    assert 0.5 < sum(len(sound) for sound, _ in parts) / RATE < 4


def test_a_picture_is_no_recording(recording, tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(InvalidInput, match="no sound"):
        recording.Recording(tmp_path / "a.png", RATE, 60)


def test_a_file_that_is_not_there_is_refused(recording, tmp_path):
    with pytest.raises(InvalidInput, match="no sound"):
        recording.Recording(tmp_path / "gone.wav", RATE, 60)
