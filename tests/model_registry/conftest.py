"""Model folders written by a test, and what reading them needs."""

from __future__ import annotations

import json
import textwrap

import pytest

from model_registry.description import Descriptions
from model_registry.fingerprint import Fingerprints
from model_registry.hub_models import HubModels
from settings import HubSettings
from tests.hub_stand_in import Repository, hub

ECHO = """
class Predictor:
    def predict(self, text: str) -> str:
        return text
"""


@pytest.fixture
def data(tmp_path):
    """A data folder of the test's own."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def prints(data):
    return Fingerprints(data / "fingerprints.json")


@pytest.fixture
def descriptions(data):
    return Descriptions(data / "described")


@pytest.fixture
def models(tmp_path):
    """A folder for `--models`."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def write(models):
    """Writes a model folder: its cog.yaml, its predict.py, and other files by name."""

    def write(name="one", cog="predict: predict.py:Predictor", predict=ECHO, **files):
        folder = models / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in {"cog.yaml": cog, "predict.py": predict, **files}.items():
            (folder / file).write_text(textwrap.dedent(text))
        return folder

    return write


@pytest.fixture(scope="module")
def stand_in():
    with hub({}) as stand_in:
        yield stand_in


@pytest.fixture
def publish(stand_in, tmp_path):
    """Puts a repository on the Hub: its files are texts, bytes, or JSON."""

    def publish(name, files, tag=None, tags=(), token=None, library=None):
        folder = tmp_path / "hub" / name
        for path, content in files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            content = content if isinstance(content, str | bytes) else json.dumps(content)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
        stand_in.repositories[name] = Repository(folder, tag, library, tags, token)
        return stand_in.repositories[name]

    return publish


@pytest.fixture
def hub_models(stand_in, tmp_path, described):
    """Those that are added; another model is called taken/name."""
    settings = HubSettings(endpoint=stand_in.address, pause=0)
    (tmp_path / "data").mkdir(exist_ok=True)
    (described / "described").mkdir(exist_ok=True)
    (tmp_path / "data" / "described").symlink_to(described / "described")
    return HubModels(tmp_path / "data", settings, False, lambda name: name == "taken/name")
