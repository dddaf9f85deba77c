"""Every model of the catalogue that downloads weights, through the whole app: its repositories,
tiny and random, come from a stand-in for the Hub over the Hub's own protocol; it runs over HTTP;
its form takes what it takes; the history keeps it.

The first model of each runner and class runs in `make test`, all of them in `make test-all`.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path

import httpx
import pytest
import yaml

from components.input_fields import fields
from model_registry import spec_files
from model_registry.catalog import Catalog
from model_registry.consents import Consents
from tests.hub_stand_in import Repository, hub
from tests.test_app import running

SPECS = sorted(spec_files.SPECS.glob("*/*.yaml"))
FAMILIES = [
    importlib.import_module(f"tests.tiny.{path.stem}")
    for path in sorted((Path(__file__).parent / "tiny").glob("*.py"))
    if path.stem != "__init__"
]
TINY = {repo: make for each in FAMILIES for repo, make in getattr(each, "TINY", {}).items()}
SMALL = {name: inputs for each in FAMILIES for name, inputs in getattr(each, "SMALL", {}).items()}


def repos(spec):
    weights = [spec.get("weights", {}), *spec.get("parts", {}).values()]
    return [each["repo"] for each in weights if "repo" in each]


def downloading():
    """A parameter for each spec whose weights are downloaded; those beyond the first of a runner
    and a class are heavy.
    """
    seen = set()
    for path in SPECS:
        spec = yaml.safe_load(path.read_text())
        if not repos(spec):
            continue
        make = TINY.get(repos(spec)[0])
        kind = (spec["runner"], getattr(make, "func", make))
        marks = [pytest.mark.heavy] if kind in seen else []
        if spec.get("packages"):
            marks.append(pytest.mark.skip(reason="its packages are gigabytes: tried by hand"))
        seen.add(kind)
        yield pytest.param(spec, id=spec["name"], marks=marks)


DOWNLOADING = list(downloading())


@pytest.fixture(scope="module")
def models(described):
    return {model.id: model for model in Catalog.load([], described).models()}


@pytest.fixture(scope="module")
def stand_in():
    with hub({}) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def client(tmp_path_factory, models, stand_in):
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "data").mkdir()
    consents = Consents(folder / "data")
    for model in models.values():
        consents.give(model)
    environment = {
        **stand_in.environment(),
        "HF_HOME": str(folder / "home"),
        "HF_TOKEN": "hf_of_the_tests",
    }
    # What true weights would take is not taken here.
    with (
        running(
            folder, "--cpu-memory", "4000", "--allow-private-webhooks", environment=environment
        ) as (_, address),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def provide(stand_in, tmp_path_factory):
    """Puts a repository's tiny twin on the stand-in."""
    folder = tmp_path_factory.mktemp("repos")

    def provide(repo):
        if repo not in stand_in.repositories:
            assert repo in TINY, f"tests/tiny has no tiny weights for {repo}"
            made = folder / repo
            made.mkdir(parents=True)
            TINY[repo](made)
            stand_in.repositories[repo] = Repository(made)

    return provide


@pytest.mark.timeout(300)
@pytest.mark.parametrize("spec", DOWNLOADING)
def test_it_runs_from_the_hub_to_the_history(spec, client, models, provide):
    name = spec["name"]
    assert name in SMALL, f"tests/tiny says no small inputs for {name}"
    for repo in repos(spec):
        provide(repo)
    created = client.post(f"/v1/models/{name}/predictions", json={"input": SMALL[name]})
    assert created.status_code == 201, created.text
    prediction = ended(client, created.json())
    assert prediction["status"] == "succeeded", (prediction["error"], prediction["logs"])
    assert prediction["output"], prediction
    assert prediction["metrics"]["predict_time"] > 0
    kept = client.get("/v1/predictions").json()["results"]
    assert prediction["id"] in [each["id"] for each in kept]
    shown = {field.name for field in fields(models[name].latest.schema)}
    assert set(SMALL[name]) <= shown


def ended(client, prediction):
    deadline = time.monotonic() + 280
    while prediction["status"] in ("starting", "processing"):
        assert time.monotonic() < deadline, prediction
        time.sleep(0.05)
        prediction = client.get(f"/v1/predictions/{prediction['id']}").json()
    return prediction


def test_every_model_that_downloads_says_on_what_it_was_run(models):
    for spec in (each.values[0] for each in DOWNLOADING):
        assert models[spec["name"]].verified, spec["name"]
        assert models[spec["name"]].licence, spec["name"]


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
def test_a_promised_name_is_answered(models, name):
    assert name in models
