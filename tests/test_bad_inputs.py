"""What nobody should send, to one model of each runner of the catalogue, on tiny weights and
through the whole app: a result, or a refusal that a person understands, in bounded memory.
"""

from __future__ import annotations

import base64
import io
import wave
from functools import cache

import numpy as np
import pytest
from PIL import Image

from tests.tiny_catalogue import DOWNLOADING, SMALL, tiny_catalogue

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]

PATIENCE = 5
"""Seconds, after which what is much work, and is being done, is canceled: what takes too much
memory takes it at the beginning.
"""
MORE_MEMORY = 1_500_000_000
"""Bytes that a run may take at its peak besides what one of small inputs takes."""
FIRST = ("prompt", "text", "tags", "lyrics")
"""Texts that a run is about; others may be left out, and are only given too long ones."""
BESIDE = {
    "audio_prompt": {"audio_prompt_text": "[S1] Hello."},
    "input_audio": {"continuation": True},
}
"""What an input is refused without."""
SOUNDS = ("audio", "audio_prompt", "input_audio", "reference_audio", "speaker")


@pytest.fixture(scope="module")
def app(tmp_path_factory, described):
    with tiny_catalogue(tmp_path_factory.mktemp("bad"), described) as app:
        yield app


def one_of_each_runner():
    found = {}
    for spec in DOWNLOADING:
        if not spec.get("packages"):
            found.setdefault(spec["runner"], spec)
    return [pytest.param(spec, id=runner) for runner, spec in found.items()]


@pytest.mark.parametrize("spec", one_of_each_runner())
def test_what_nobody_should_send_is_answered_or_refused_in_a_sentence(app, spec):
    app.provide(spec)
    name, small = spec["name"], SMALL[spec["name"]]
    usual = app.run(name, small)
    assert usual["status"] == "succeeded", usual["error"]
    most = usual["metrics"]["peak_memory"] + MORE_MEMORY
    for field, schema in app.models[name].latest.input_schema["properties"].items():
        for title, make in bad(field, schema).items():
            inputs = {**small, **BESIDE.get(field, {}), field: make()}
            prediction = honest(app, name, inputs, f"{field}: {title}")
            assert prediction["metrics"].get("peak_memory", 0) < most, (field, title)
            if title.startswith("no ") and "not used" not in prediction["logs"]:
                assert prediction["status"] == "failed", (field, title)
    again = app.run(name, small)
    assert again["status"] == "succeeded", again["error"]
    # The most since the process began: what was canceled has not said what it took.
    assert again["metrics"]["peak_memory"] < most


def honest(app, name, inputs, title):
    """What becomes of the inputs, if it is a result or a refusal that a person understands."""
    prediction = app.run(name, inputs, PATIENCE)
    assert "Traceback" not in prediction["logs"], (title, prediction["logs"])
    if prediction["status"] == "failed":
        error = prediction["error"]
        assert error.endswith((".", "?")) and "Error" not in error and len(error) < 1000, error
    return prediction


def bad(field, schema):
    """By title, what makes the values of an input that nobody should send; of those that begin with
    "no" nothing can be made.
    """
    item = schema.get("items", schema)
    if item.get("format") == "uri":
        given = SOUND if field in SOUNDS else {} if "lora" in field else PICTURES
    elif field in ("width", "height"):
        given = {"not divisible": lambda: max(item["minimum"], 100) + 3}
    elif item.get("type") == "string" and "allOf" not in item and "maxLength" not in item:
        given = WORDS if field in FIRST else {"200,000 characters": WORDS["200,000 characters"]}
    else:
        given = {}
    if schema.get("type") == "array":
        return {title: lambda make=make: [make()] for title, make in given.items()}
    return given


def uri(content_type, content):
    return f"data:{content_type};base64,{base64.b64encode(content).decode()}"


@cache
def picture(width, height, mode="RGB"):
    made = io.BytesIO()
    Image.new(mode, (width, height), 1).save(made, "PNG")
    return uri("image/png", made.getvalue())


@cache
def sound(seconds, rate):
    """A tone, of a second in each minute; the rest is silent."""
    minute = np.full(60 * rate, 128, np.uint8)
    minute[:rate] = 128 + 50 * np.sin(np.arange(rate) * 2 * np.pi * 440 / rate)
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        file.writeframes(np.resize(minute, seconds * rate).tobytes())
    return uri("audio/wav", made.getvalue())


PICTURES = {
    "no picture": lambda: uri("image/png", b"no picture at all"),
    "one pixel": lambda: picture(1, 1),
    "144 million pixels": lambda: picture(12_000, 12_000, "1"),
}
SOUND = {
    "no sound": lambda: uri("audio/wav", b"no sound at all"),
    "no seconds": lambda: sound(0, 8000),
    "two hours": lambda: sound(7200, 1000),
}
WORDS = {
    "nothing": lambda: "",
    "200,000 characters": lambda: "a red circle. " * 14_286,
    "other scripts": lambda: "красный круг 赤い円 دائرة حمراء 🦊",
}
