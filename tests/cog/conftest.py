"""Model folders written by a test, loaded in this process as a child would."""

from __future__ import annotations

import sys
import textwrap

import pytest

from cog.loading import load


@pytest.fixture
def write(tmp_path):
    """Writes files below the test's folder, each text without its common indentation."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return tmp_path

    return write


@pytest.fixture
def loaded(write, monkeypatch):
    """Loads `text` as predict.py; what it imports is forgotten after the test."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def loaded(text, target="predict.py:Predictor", concurrency=None, **files):
        path = target.partition(".py")[0].replace("/", "__")
        folder = write(**{path: text}, **files)
        return load(str(folder), target, concurrency)

    yield loaded
    for name in set(sys.modules) - before:
        del sys.modules[name]
