"""Model folders that are edited while the app runs, seen through the service."""

from __future__ import annotations

import itertools

import pytest

from errors import BrokenModel, InvalidVersion
from model_registry import description
from model_registry.catalog import Catalog
from predictions.prediction import Status

FOREVER = """
import time

class Predictor:
    def predict(self) -> str:
        time.sleep(1000)
"""
ANSWER = "class Predictor:\n    def predict(self, text: str) -> str:\n        return '{}'\n"


def folder_of(models, name, code):
    folder = models / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cog.yaml").write_text("predict: predict.py:Predictor")
    (folder / "predict.py").write_text(code)
    return folder


async def test_an_edited_folder_is_another_version_and_the_former_one_is_refused(start, tmp_path):
    folder = folder_of(tmp_path / "models", "one", ANSWER.format("before"))
    clock = itertools.count(step=10)
    models = Catalog.load([tmp_path / "models"], described_in(tmp_path), clock=lambda: next(clock))
    app = await start(models)
    before = await app.run("local/one", {"text": "x"})
    assert before.output == "before"
    (folder / "predict.py").write_text(ANSWER.format("afterwards"))
    after = await app.run("local/one", {"text": "x"})
    assert after.output == "afterwards" and after.version != before.version
    for reference in (before.version, f"local/one:{before.version}"):
        with pytest.raises(InvalidVersion, match="folder of local/one has changed"):
            await app.service.create(reference, {"text": "x"})
    (folder / "predict.py").write_text(ANSWER.format("before"))
    assert (await app.run(before.version, {"text": "x"})).output == "before"


async def test_a_broken_edit_refuses_the_model_until_it_is_mended(start, tmp_path):
    folder = folder_of(tmp_path / "models", "one", ANSWER.format("fine"))
    folder_of(tmp_path / "models", "other", ANSWER.format("other"))
    clock = itertools.count(step=10)
    models = Catalog.load([tmp_path / "models"], described_in(tmp_path), clock=lambda: next(clock))
    app = await start(models)
    version = models.resolve("local/one").id
    (folder / "predict.py").write_text("def broken(:")
    for reference in ("local/one", version):
        with pytest.raises(BrokenModel, match="predict.py, line 1: SyntaxError"):
            await app.service.create(reference, {"text": "x"})
    assert (await app.run("local/other", {"text": "x"})).output == "other"
    (folder / "predict.py").write_text(ANSWER.format("mended"))
    assert (await app.run("local/one", {"text": "x"})).output == "mended"
    assert models.broken == ()


async def test_what_waited_while_its_folder_was_edited_never_runs_other_code(start, tmp_path):
    folder_of(tmp_path / "models", "blocks", FOREVER)
    folder = folder_of(tmp_path / "models", "one", ANSWER.format("before"))
    app = await start(Catalog.load([tmp_path / "models"], described_in(tmp_path)), cpu_instances=1)
    blocking = await app.service.create("local/blocks", {})
    await app.until(blocking, lambda p: p.status is Status.PROCESSING)
    waiting = await app.service.create("local/one", {"text": "x"})
    (folder / "predict.py").write_text(ANSWER.format("afterwards"))
    await app.service.cancel(blocking.id)
    ended = await app.end(waiting)
    assert ended.status is Status.FAILED and "was edited while this waited" in ended.error


WRITES = """
from pathlib import Path

Path("made.py").write_text("made = 1")

class Predictor:
    def predict(self) -> str:
        return "made"
"""


async def test_a_model_that_writes_code_when_it_is_imported_runs_at_once(start, tmp_path):
    folder_of(tmp_path / "models", "one", WRITES)
    app = await start(Catalog.load([tmp_path / "models"], described_in(tmp_path)))
    ended = await app.run("local/one", {})
    assert ended.output == "made", ended.error


def described_in(tmp_path):
    folder = tmp_path / "described"
    folder.mkdir()
    return folder


async def test_what_was_queued_waits_until_its_model_is_described_after_a_restart(
    start, tmp_path, monkeypatch
):
    folder_of(tmp_path / "models", "blocks", FOREVER)
    folder_of(tmp_path / "models", "one", ANSWER.format("fine"))
    data = described_in(tmp_path)
    app = await start(Catalog.load([tmp_path / "models"], data), cpu_instances=1)
    blocking = await app.service.create("local/blocks", {})
    await app.until(blocking, lambda p: p.status is Status.PROCESSING)
    waiting = await app.service.create("local/one", {"text": "x"})
    monkeypatch.setattr(description, "_own_code", lambda: "another")
    app = await start(Catalog.load([tmp_path / "models"], data, specs=tmp_path, patience=0))
    assert (await app.end(waiting)).output == "fine"
