"""Model folders written by a test, and what reading them needs."""

from __future__ import annotations

import textwrap

import pytest

from model_registry.description import Descriptions
from model_registry.fingerprint import Fingerprints

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
