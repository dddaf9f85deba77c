"""The models of the catalogue whose packages live in environments of their own: each built from
PyPI as the app builds it, then what holds for every runner, in there, and runs through the whole
app, from the stand-in for the Hub to the files.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import subprocess
import time

import numpy as np
import psutil
import pytest
import soundfile

from components.input_fields import fields
from tests.tiny.music import FILE
from tests.tiny_catalogue import DOWNLOADING, ROOT, SMALL, installed, tiny_catalogue
from workers.environments import Environments

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]

APART = {spec["name"]: spec for spec in DOWNLOADING if not installed(spec)}
CLONING = "lucataco/xtts-v2"
KOKORO = "jaaari/kokoro-82m"


@pytest.fixture(scope="module")
def app(tmp_path_factory, described):
    with tiny_catalogue(tmp_path_factory.mktemp("apart"), described) as app:
        yield app


@pytest.fixture(scope="module")
def environments(app):
    """The interpreter of a model's own environment, which the app too will find there."""
    folder = Environments(app.folder / "data" / "environments")
    return lambda name: asyncio.run(folder.build(APART[name]["packages"], print))


@pytest.fixture(scope="module")
def cloning(app, environments):
    """Runs XTTS: the prediction, ended."""
    app.provide(APART[CLONING], environments(CLONING))
    return lambda **inputs: app.run(CLONING, {**SMALL[CLONING], **inputs})


@pytest.fixture(scope="module")
def kokoro(app, environments):
    """Runs Kokoro: the prediction, ended."""
    app.provide(APART[KOKORO], environments(KOKORO))
    return lambda **inputs: app.run(KOKORO, {**SMALL[KOKORO], **inputs})


@pytest.mark.parametrize("name", APART)
def test_what_holds_for_every_runner_holds_in_its_environment(name, environments):
    test = "test_every_runner.py::test_a_seed_gives_its_bytes_and_a_cancel_takes_one_step"
    passes(environments(name), f"{test}[{APART[name]['runner']}]")


def test_letters_become_sounds_in_the_environment_of_kokoro(environments):
    passes(environments(KOKORO), "test_voice_kokoro.py")


def passes(python, test):
    """Runs a test of runners by this interpreter."""
    path = f"tests/model_registry/runners/{test}"
    told = subprocess.run(
        [python, "-m", "tests.apart", "pytest", path], cwd=ROOT, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert " passed" in told.stdout and "skipped" not in told.stdout, told.stdout


def test_kokoro_speaks_english_with_what_the_hub_has(app, kokoro):
    first, again, british = (kokoro(seed=1, voice=voice) for voice in VOICES)
    assert first["status"] == british["status"] == "succeeded", (first["error"], first["logs"])
    assert sound(app, first) == sound(app, again) != sound(app, british)
    assert "arning" not in first["logs"]
    named = next((app.folder / "home").rglob("config.cfg"))
    assert (named.parent / "tagger").is_dir() and not (named.parent / "sentencizer").exists()


VOICES = ("af_bella", "af_bella", "bf_emma")


def test_kokoro_says_which_packages_a_japanese_voice_lacks(kokoro):
    refused = kokoro(text="こんにちは", voice="jf_alpha")
    assert refused["status"] == "failed" and "mojimoji" in refused["error"]
    assert "Traceback" not in refused["logs"]


def test_a_voice_is_cloned_and_a_seed_gives_its_bytes(app, cloning):
    shown = {field.name for field in fields(app.models[CLONING].latest.schema)}
    assert shown == {"text", "speaker", "language", "cleanup_voice", "seed"}
    first, again, other = (cloning(seed=seed, language="de") for seed in (1, 1, 2))
    assert first["status"] == "succeeded", (first["error"], first["logs"])
    assert first["metrics"]["audio_seconds"] > 0 and first["metrics"]["parts"] == 1
    assert "arning" not in first["logs"]
    assert sound(app, first) == sound(app, again) != sound(app, other)


def test_the_weights_stay_as_they_came(app, cloning):
    assert cloning()["status"] == "succeeded"
    there = [path for path in (app.folder / "home").rglob("model.pth") if path.is_file()]
    published = app.folder / "repos" / "coqui" / "XTTS-v2" / "model.pth"
    assert {digest(path) for path in there} == {digest(published)}


def test_a_long_text_comes_in_parts_and_a_cancel_leaves_the_model_ready(app, cloning):
    text = "This is one of a great many sentences, of which nobody hears the end. " * 3_000
    assert cloning()["status"] == "succeeded"
    before = processes(app)
    assert before
    running = app.client.post(
        f"/v1/models/{CLONING}/predictions", json={"input": {**SMALL[CLONING], "text": text}}
    ).json()
    address = f"/v1/predictions/{running['id']}"
    while running["status"] in ("starting", "processing") and not parts(running):
        time.sleep(0.05)
        running = app.client.get(address).json()
    assert running["status"] == "processing", running["error"]
    canceled = app.client.post(f"{address}/cancel").json()
    assert canceled["status"] == "canceled"
    after = cloning()
    assert after["status"] == "succeeded", after["error"]
    assert processes(app) == before


def processes(app):
    """Those that run in a model's own environment: who is killed is replaced by another."""
    environments = str(app.folder / "data" / "environments")
    running = psutil.process_iter(["cmdline"])
    return {
        each.pid for each in running if (each.info["cmdline"] or [""])[0].startswith(environments)
    }


def parts(prediction):
    return (prediction["metrics"] or {}).get("parts", 0)


LINES = {
    "en": "Dr. Smith paid $20.15 on the 1st.", "es": "Eso le costará $20 señor.",
    "fr": "Cela vous fera 20,15€.", "de": "Das macht 20,15€, Herr Dr. Groß.",
    "it": "Ti costerà 20,15€.", "pt": "Isso custará 20,15€.", "pl": "W 12,5 sekundy.",
    "tr": "12,5 saniye içinde.", "ru": "Через 12.5 секунды.", "nl": "Dat wordt dan 20,15€.",
    "cs": "Za 12,5 vteřiny.", "ar": "كان هناك 50 جنديًا.", "zh": "有50名士兵。",
    "hu": "Ez 12,5 másodperc.", "ko": "안녕하세요 12.5", "hi": "नमस्ते, आप कैसे हैं?",
}  # fmt: skip


def test_it_speaks_every_language_of_its_form(app, cloning):
    language = app.models[CLONING].latest.schema["components"]["schemas"]["language"]
    assert LINES.keys() == set(language["enum"])
    for language, text in LINES.items():
        spoken = cloning(language=language, text=text)
        assert spoken["status"] == "succeeded", (language, spoken["error"])


def test_a_language_it_does_not_speak_is_refused_with_those_it_does(app):
    refused = app.client.post(
        f"/v1/models/{CLONING}/predictions",
        json={"input": {**SMALL[CLONING], "language": "tlh"}},
    )
    assert refused.status_code == 422
    assert "language" in refused.text and "hu" in refused.text


@pytest.mark.parametrize(
    "title, inputs, reason",
    [
        (
            "no recording",
            {"speaker": "data:audio/wav;base64,bm9uZQ=="},
            "no sound that can be read",
        ),
        ("too short", {"speaker": lambda: recording(np.ones(2_000))}, "0.09 seconds of sound"),
        ("silent", {"speaker": lambda: recording(np.zeros(44_100))}, "speaker is silent"),
        ("nothing to say", {"text": " \n"}, "The text is empty"),
        ("a number", {"text": "मेरे पास 50 रुपये", "language": "hi"}, "Write it in words"),
    ],
)
def test_what_it_cannot_use_is_refused_in_a_sentence(title, inputs, reason, cloning):
    given = {key: value() if callable(value) else value for key, value in inputs.items()}
    refused = cloning(**given)
    assert refused["status"] == "failed" and reason in refused["error"], title
    assert "Traceback" not in refused["logs"]


def test_a_noisy_recording_can_be_cleaned(app, cloning):
    plain, clean = cloning(seed=1, speaker=FILE), cloning(seed=1, speaker=FILE, cleanup_voice=True)
    assert clean["status"] == "succeeded", clean["error"]
    assert sound(app, clean) != sound(app, plain)


def sound(app, prediction):
    content = app.client.get(prediction["output"]).content
    assert soundfile.info(io.BytesIO(content)).samplerate == 24_000
    return content


def recording(samples, rate=22_050):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    return f"data:audio/wav;base64,{base64.b64encode(file.getvalue()).decode()}"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
