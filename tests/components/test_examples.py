"""The models of examples/, as who copies them would run them: over HTTP, and in the browser."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import httpx
import pytest
import soundfile
from PIL import Image
from playwright.sync_api import expect

from tests.components.serving import served
from tests.components.test_page_in_browser import open_model, run, settle, status

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
WHEELS = ROOT / ".venv" / "wheels"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where the app answers, with examples/ for its models. Installers look into a folder only."""
    if not list(WHEELS.glob("segno-*.whl")):
        if os.environ.get("CI"):
            pytest.fail("The example with packages of its own needs them: make wheels")
        pytest.skip("The example with packages of its own needs them: make wheels")
    folder = tmp_path_factory.mktemp("examples")
    environment = dict(os.environ)
    for installer in ("PIP", "UV"):
        environment |= {f"{installer}_NO_INDEX": "1", f"{installer}_FIND_LINKS": str(WHEELS)}
    options = ("--offline", "--models", str(EXAMPLES))
    with served(folder, *options, environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def http(address):
    with httpx.Client(base_url=f"{address}/v1/", timeout=100) as client:
        yield client


def ran(http, made):
    """A prediction or training at its end; it has to succeed."""
    answer = made.json()
    while answer["status"] in ("starting", "processing"):
        time.sleep(0.05)
        answer = http.get(answer["urls"]["get"]).json()
    assert answer["status"] == "succeeded", answer
    return answer


def output(http, name, **inputs):
    """What a model gives, and the whole prediction."""
    made = http.post(f"models/local/{name}/predictions", json={"input": inputs})
    assert made.status_code == 201, made.text
    prediction = ran(http, made)
    return prediction["output"], prediction


def upload(http, path):
    with path.open("rb") as opened:
        return http.post("files", files={"content": (path.name, opened)}).json()["urls"]["get"]


def fetched(http, url):
    return io.BytesIO(http.get(url).content)


def test_a_tale_is_streamed_word_by_word(http):
    told, prediction = output(http, "tales", beginning="Once upon", length=30, seed=3)
    assert told[0] == "Once upon" and 5 < len(told) <= 30
    assert told == output(http, "tales", beginning="Once upon", length=30, seed=3)[0]
    assert prediction["metrics"]["words"] == len(told) - 1
    with http.stream("GET", prediction["urls"]["stream"]) as stream:
        assert sum(line == "event: output" for line in stream.iter_lines()) == len(told)


def test_a_photo_becomes_a_poster(http):
    photo = upload(http, EXAMPLES / "poster" / "hills.jpg")
    made, _ = output(http, "poster", image=photo, palette="ink", size=200, format="webp")
    with Image.open(fetched(http, made)) as poster:
        assert poster.format == "WEBP" and max(poster.size) == 200
    made, _ = output(http, "poster", image=photo, palette="night")
    with Image.open(fetched(http, made)) as poster:
        assert len(poster.getcolors()) <= 4


def test_a_recording_comes_back_with_echoes(http):
    recording = EXAMPLES / "echoes" / "string.flac"
    given, rate = soundfile.read(recording)
    made, _ = output(http, "echoes", sound=upload(http, recording), delay=0.5, echoes=2)
    heard, same_rate = soundfile.read(fetched(http, made["sound"]))
    assert same_rate == rate and len(heard) == len(given) + rate
    assert made["seconds"] == pytest.approx(len(heard) / rate)
    assert 0 < made["loudest"] <= 1


def test_a_model_with_a_package_of_its_own_installs_it_with_its_first_run(http):
    found = http.get("models/local/qr-code").json()
    properties = found["latest_version"]["openapi_schema"]["components"]["schemas"]["Input"]
    assert properties["properties"]["text"]["default"] == "https://example.org"
    made, prediction = output(http, "qr-code", text="hello", size=200)
    with Image.open(fetched(http, made)) as code:
        assert code.format == "PNG" and code.width >= 200
    assert "segno==1.6.6" in prediction["logs"] and "squares" in prediction["logs"]


def test_a_model_is_trained_and_its_new_version_tells_what_it_was_taught(http, tmp_path):
    told, _ = output(http, "tone", text="I cried all night, she is gone.")
    assert told["label"] == "sad" and sum(told["scores"].values()) == pytest.approx(1, abs=1e-3)
    texts = tmp_path / "animals.csv"
    lines = [f"{sound} said the {animal},{animal}" for animal, sound in
             (("cat", "miaow"), ("dog", "woof"), ("cow", "moo")) for _ in range(4)]  # fmt: skip
    texts.write_text("text,label\n" + "\n".join(lines))
    version = http.get("models/local/tone").json()["latest_version"]["id"]
    body = {"destination": "local/tone", "input": {"texts": upload(http, texts)}}
    training = ran(http, http.post(f"models/local/tone/versions/{version}/trainings", json=body))
    assert training["metrics"]["accuracy"] == 1 and "12" not in training["logs"]
    made = http.post(
        "predictions",
        json={"version": training["output"]["version"].partition(":")[2], "input": {"text": "moo"}},
    )
    assert ran(http, made)["output"]["label"] == "cow"


def holds(label, value):
    return lambda form: expect(form.get_by_label(label).first).to_have_value(value)


def shows(what):
    return lambda form: expect(form.locator(what).first).to_be_visible()


@pytest.mark.parametrize(
    ("name", "filled", "shown"),
    [
        ("tales", holds("seed", "3"), "#text"),
        pytest.param("poster", shows("img"), "#output img", marks=pytest.mark.heavy),
        pytest.param(
            "echoes",
            shows("[aria-label='Play']"),
            "#output [aria-label='Play']",
            marks=pytest.mark.heavy,
        ),
        pytest.param(
            "qr-code",
            holds("text", "https://example.org/menu"),
            "#output img",
            marks=pytest.mark.heavy,
        ),
        ("tone", holds("text", "What a lovely morning, I could sing!"), "#output"),
    ],
)
def test_an_example_is_run_from_its_page(page, name, filled, shown):
    form = open_model(page, name)
    page.locator(".examples .example").first.click()
    filled(form)
    settle(page)
    run(page)
    status(page, "succeeded")
    expect(page.locator(shown).first).to_be_visible()
