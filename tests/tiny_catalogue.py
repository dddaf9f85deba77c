"""The whole app with every model of the catalogue that downloads weights: its repositories, tiny
and random, come from a stand-in for the Hub over the Hub's own protocol.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import subprocess
import time
from importlib import metadata
from pathlib import Path

import httpx
import yaml

from model_registry import spec_files
from model_registry.catalog import Catalog
from model_registry.consents import Consents
from tests.hub_stand_in import Repository, hub
from tests.test_app import ROOT, running

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


SPECS = [yaml.safe_load(path.read_text()) for path in sorted(spec_files.SPECS.glob("*/*.yaml"))]
DOWNLOADING = [spec for spec in SPECS if repos(spec)]
"""The specs whose weights are downloaded."""


def installed(spec):
    """Whether what a spec asks for besides the app's packages is there: else the model lives in an
    environment of its own.
    """
    try:
        for each in spec.get("packages", ()):
            metadata.version(re.match(r"[\w.-]+", each)[0])
    except metadata.PackageNotFoundError:
        return False
    return True


class TinyCatalogue:
    """`models` are the catalogue's by name, `client` speaks to the app."""

    def __init__(self, folder, models, stand_in, client):
        self.folder = folder
        self.models = models
        self.client = client
        self._stand_in = stand_in

    def provide(self, spec, python=None):
        """Puts the tiny twins of a spec's repositories on the stand-in; made by the interpreter
        `python`, where only that has what makes them.
        """
        for repo in repos(spec):
            if repo not in self._stand_in.repositories:
                assert repo in TINY, f"tests/tiny has no tiny weights for {repo}"
                made = self.folder / "repos" / repo
                made.mkdir(parents=True)
                if python is None:
                    TINY[repo](made)
                else:
                    make = [python, "-m", "tests.apart", "tiny", repo, made]
                    subprocess.run(make, cwd=ROOT, check=True)
                self._stand_in.repositories[repo] = Repository(made)

    def run(self, name, inputs, patience=280):
        """The prediction, ended; canceled where it has run for so many seconds of `patience`."""
        created = self.client.post(f"/v1/models/{name}/predictions", json={"input": inputs})
        assert created.status_code == 201, created.text
        prediction, began, ran = created.json(), time.monotonic(), 0.0
        address = f"/v1/predictions/{prediction['id']}"
        while prediction["status"] in ("starting", "processing"):
            time.sleep(0.05)
            prediction = self.client.get(address).json()
            if prediction["status"] == "processing":
                ran = ran or time.monotonic()
                if time.monotonic() > ran + patience:
                    return self.client.post(f"{address}/cancel").json()
            assert time.monotonic() < began + 280, prediction
        return prediction


@contextlib.contextmanager
def tiny_catalogue(folder, described):
    models = {model.id: model for model in Catalog.load([], described).models()}
    (folder / "data").mkdir()
    consents = Consents(folder / "data")
    for model in models.values():
        consents.give(model)
    with hub({}) as stand_in:
        environment = {
            **stand_in.environment(),
            "HF_HOME": str(folder / "home"),
            "HF_TOKEN": "hf_of_the_tests",
        }
        # What true weights would take is not taken here.
        options = ("--cpu-memory", "4000", "--allow-private-webhooks")
        with (
            running(folder, *options, environment=environment) as (_, address),
            httpx.Client(base_url=address, timeout=60) as client,
        ):
            yield TinyCatalogue(folder, models, stand_in, client)
