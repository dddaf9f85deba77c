"""Every starter through the whole app, as a person uses it: what its examples give, and
what becomes of input that nobody should send.
"""

from __future__ import annotations

import base64
import io
import time
import wave

import httpx
import numpy as np
import pytest
from PIL import Image

from model_registry.catalog import Catalog
from tests.test_app import running

pytestmark = pytest.mark.timeout(300)

MADE = {
    "starter/caption": "text",
    "starter/cutout": "image/png",
    "starter/enlarge": "image/png",
    "starter/listen": "segments",
    "starter/melody": "audio/wav",
    "starter/motion": "video/mp4",
    "starter/shapes": "image/png",
    "starter/solid": "model/gltf-binary",
    "starter/speak": "audio/wav",
    "starter/story": "text",
}
"""What each gives."""
QUICK = {"num_inference_steps": 2, "max_tokens": 8, "seconds": 5, "resolution": 32}
"""Settings that keep a run short where only its manners are looked at."""


@pytest.fixture(scope="module")
def models(described):
    return {each.id: each for each in Catalog.load([], described).models() if each.toy}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with (
        running(tmp_path_factory.mktemp("starters"), "--offline") as (_, address),
        httpx.Client(base_url=address, timeout=120) as client,
    ):
        yield client


def run(client, model, inputs):
    """The prediction, ended."""
    created = client.post(f"/v1/models/{model}/predictions", json={"input": inputs})
    assert created.status_code == 201, created.text
    prediction = created.json()
    deadline = time.monotonic() + 240
    while prediction["status"] in ("starting", "processing"):
        assert time.monotonic() < deadline, prediction
        time.sleep(0.05)
        prediction = client.get(f"/v1/predictions/{prediction['id']}").json()
    return prediction


def kind(client, output):
    if isinstance(output, str) and "/v1/outputs/" in output:
        return client.get(output).headers["content-type"]
    first = output[0]
    if isinstance(first, dict):
        return "segments" if {"start", "end", "text"} <= first.keys() else "objects"
    return kind(client, first) if "/v1/outputs/" in first else "text"


def test_every_starter_is_looked_at(models):
    assert set(models) == set(MADE)


@pytest.mark.parametrize("name", MADE)
def test_the_first_example_gives_what_the_model_is_for(client, models, name):
    gives(client, name, models[name].examples[0])


@pytest.mark.heavy
@pytest.mark.parametrize("name", MADE)
def test_every_other_example_does_too(client, models, name):
    for example in models[name].examples[1:]:
        gives(client, name, example)


def gives(client, name, example):
    prediction = run(client, name, dict(example.input))
    assert prediction["status"] == "succeeded", (example.title, prediction["error"])
    assert prediction["output"], example.title
    assert kind(client, prediction["output"]) == MADE[name], example.title
    assert prediction["metrics"]["predict_time"] > 0


PROMPTS = {
    "empty": "",
    "spaces": " \n\t ",
    "10,000 characters": "a brave red circle moving left " * 330,
    "unknown words": "zxqv blorp frumious",
    "emoji": "🦊🎉 🔴",
    "other scripts": "красный круг 赤い円 دائرة حمراء",
    "markup": "<|end|><script>alert(1)</script>{{ 7 * 7 }}",
}
IN_WORDS = {
    name: "text" if name == "starter/speak" else "prompt"
    for name in MADE
    if name.partition("/")[2] in ("melody", "motion", "shapes", "solid", "speak", "story")
}


@pytest.mark.parametrize("name", IN_WORDS)
def test_any_words_are_answered_or_refused_with_a_sentence(client, models, name):
    for words in PROMPTS.values():
        honest(client, models[name], {IN_WORDS[name]: words})


def honest(client, model, inputs):
    """A result, or a refusal that a person understands: never a stack trace."""
    known = model.latest.input_schema["properties"]
    quick = {key: value for key, value in QUICK.items() if key in known}
    prediction = run(client, model.id, {**quick, **inputs})
    assert prediction["status"] in ("succeeded", "failed"), prediction
    assert "Traceback" not in (prediction["logs"] or ""), prediction["logs"]
    if prediction["status"] == "failed":
        error = prediction["error"]
        assert error.endswith((".", "?")) and "Error" not in error and len(error) < 1000, error
    return prediction


def picture(width, height, mode="RGB", form="PNG"):
    made = io.BytesIO()
    Image.new(mode, (width, height)).save(made, form)
    return uri("image/png", made.getvalue())


def uri(content_type, content):
    return f"data:{content_type};base64,{base64.b64encode(content).decode()}"


PICTURES = {
    "no picture": lambda: uri("image/png", b"no picture at all"),
    "nothing": lambda: uri("image/png", b""),
    "cut off": lambda: uri("image/png", base64.b64decode(picture(64, 64).partition(",")[2])[:60]),
    "one pixel": lambda: picture(1, 1),
    "one line": lambda: picture(2000, 1),
    "20 megapixels": lambda: picture(5000, 4000),
    "transparent": lambda: picture(40, 30, "RGBA"),
    "grey": lambda: picture(40, 30, "L"),
    "for print": lambda: picture(40, 30, "CMYK", "TIFF"),
}
ON_PICTURES = {
    "starter/caption": {},
    "starter/cutout": {},
    "starter/enlarge": {"scale": 2, "output_format": "jpg"},
    "starter/shapes": {"prompt": "a red circle"},
}


# 20 megapixels are enlarged in half a minute.
SLOWEST = {"starter/enlarge": [pytest.mark.heavy]}


@pytest.mark.parametrize("name", [pytest.param(n, marks=SLOWEST.get(n, [])) for n in ON_PICTURES])
def test_any_picture_is_taken_or_refused_with_a_sentence(client, models, name):
    for make in PICTURES.values():
        honest(client, models[name], {**ON_PICTURES[name], "image": make()})
    for unreadable in ("no picture", "nothing", "cut off"):
        inputs = {**ON_PICTURES[name], "image": PICTURES[unreadable]()}
        assert honest(client, models[name], inputs)["status"] == "failed"


def sound(samples, rate=16_000):
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return uri("audio/wav", made.getvalue())


def chord(seconds):
    time_ = np.arange(int(16_000 * seconds)) / 16_000
    return sum(np.sin(2 * np.pi * each * time_) for each in (220, 277, 330)) / 4


SOUNDS = {
    "no sound": lambda: uri("audio/wav", b"no sound at all"),
    "zero seconds": lambda: sound(np.zeros(0)),
    "silence": lambda: sound(np.zeros(32_000)),
    "noise": lambda: sound(np.random.default_rng(0).normal(0, 0.1, 64_000)),
    "music": lambda: sound(chord(6)),
    "ten minutes": lambda: sound(np.tile(chord(1), 600) * 0.5),
}


def test_any_sound_is_heard_or_refused_with_a_sentence(client, models):
    for make in SOUNDS.values():
        honest(client, models["starter/listen"], {"audio": make()})
    silent = honest(client, models["starter/listen"], {"audio": SOUNDS["silence"]()})
    assert silent["status"] == "succeeded" and not silent["output"]


@pytest.mark.parametrize("name", MADE)
def test_sizes_counts_and_durations_below_one_are_refused_at_the_door(client, models, name):
    properties = models[name].latest.input_schema["properties"]
    counted = {"width", "height", "num_outputs", "num_inference_steps", "num_frames", "fps"}
    counted |= {"seconds", "scale", "resolution", "max_tokens", "speed", "tempo"}
    needed = dict(models[name].examples[0].input)
    for field in counted & properties.keys():
        for value in (0, -1):
            answer = client.post(
                f"/v1/models/{name}/predictions", json={"input": {**needed, field: value}}
            )
            assert answer.status_code == 422, (field, value, answer.text)
            assert field in answer.text
