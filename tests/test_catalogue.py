"""Every model of the catalogue that downloads weights, through the whole app: its repositories,
tiny and random, come from a stand-in for the Hub over the Hub's own protocol; it runs over HTTP;
its form takes what it takes; the history keeps it.

A few run in `make test`, all of them in `make test-all`.
"""

from __future__ import annotations

import pytest

from components.input_fields import fields
from tests.tiny_catalogue import DOWNLOADING, SMALL, installed, tiny_catalogue

QUICKEST = {
    "black-forest-labs/flux-schnell",
    "meta/llama-3.1-8b-instruct",
    "openai/whisper",
}
"""Of the largest families, the model that takes the least time. Each starts a process that imports
seconds of libraries, while `test_every_runner` runs every runner's classes in one.
"""


def downloading():
    """A parameter for each spec whose weights are downloaded."""
    for spec in DOWNLOADING:
        marks = [] if spec["name"] in QUICKEST else [pytest.mark.heavy]
        if not installed(spec):
            marks = [pytest.mark.skip(reason="test_own_environments runs it")]
        yield pytest.param(spec, id=spec["name"], marks=marks)


@pytest.fixture(scope="module")
def app(tmp_path_factory, described):
    with tiny_catalogue(tmp_path_factory.mktemp("catalogue"), described) as app:
        yield app


@pytest.mark.timeout(300)
@pytest.mark.parametrize("spec", list(downloading()))
def test_it_runs_from_the_hub_to_the_history(spec, app):
    name = spec["name"]
    assert name in SMALL, f"tests/tiny says no small inputs for {name}"
    app.provide(spec)
    prediction = app.run(name, SMALL[name])
    assert prediction["status"] == "succeeded", (prediction["error"], prediction["logs"])
    assert prediction["output"], prediction
    assert prediction["metrics"]["predict_time"] > 0
    kept = app.client.get("/v1/predictions").json()["results"]
    assert prediction["id"] in [each["id"] for each in kept]
    shown = {field.name for field in fields(app.models[name].latest.schema)}
    assert set(SMALL[name]) <= shown


def test_every_model_that_downloads_says_on_what_it_was_run(app):
    for spec in DOWNLOADING:
        assert app.models[spec["name"]].verified, spec["name"]
        assert app.models[spec["name"]].licence, spec["name"]


def test_the_quickest_are_of_the_catalogue():
    assert {spec["name"] for spec in DOWNLOADING if installed(spec)} >= QUICKEST


PROMISED = [
    "meta/llama-3.1-405b-instruct",
    "meta/llama-3.1-70b-instruct",
    "meta/llama-3.1-8b-instruct",
    "meta/llama-3.2-90b-vision-instruct",
    "mistralai/mixtral-8x7b-instruct",
    "openai/gpt-oss-20b",
    "openai/gpt-oss-120b",
    "black-forest-labs/flux-schnell",
    "black-forest-labs/flux-dev",
    "black-forest-labs/flux-1.1-pro",
    "stability-ai/sdxl",
    "bytedance/sdxl-lightning-4step",
    "nightmareai/real-esrgan",
    "tencentarc/gfpgan",
    "cjwbw/rembg",
    "minimax/video-01",
    "tencent/hunyuan-video",
    "stability-ai/stable-video-diffusion",
    "openai/whisper",
    "cjwbw/musicgen",
    "lucataco/xtts-v2",
    "cjwbw/shap-e",
    "cjwbw/point-e",
]
"""Names that people have in their code."""


@pytest.mark.parametrize("name", PROMISED)
def test_a_promised_name_is_answered(app, name):
    assert name in app.models
