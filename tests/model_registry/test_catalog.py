"""What a start finds, and what comes while the app runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from errors import BrokenModel, NotFound
from model_registry import description
from model_registry.catalog import Catalog
from model_registry.published import Published
from tests.processes import is_alive

BROKEN = Path(__file__).parents[1] / "broken_models"
ECHO = "class Predictor:\n    def predict(self, text: str) -> str:\n        return text\n"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def specs(tmp_path):
    """No specs of ours."""
    folder = tmp_path / "specs"
    folder.mkdir()
    return folder


def folder_of(root, name, readme=""):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "cog.yaml").write_text("predict: predict.py:Predictor")
    (folder / "predict.py").write_text(ECHO)
    (folder / "README.md").write_text(readme)
    return folder


def test_a_folder_is_local_or_its_owners(tmp_path, data, specs):
    root = tmp_path / "models"
    folder_of(root, "one")
    folder_of(root, "ada/two")
    folder_of(root, "one/inner")  # a part of local/one
    models = Catalog.load([root], data, specs).models()
    assert {model.id for model in models} == {"local/one", "ada/two"}


def test_of_two_models_with_one_name_the_first_is_kept_and_the_other_told(tmp_path, data, specs):
    folder_of(tmp_path / "a", "one", "The first.")
    folder_of(tmp_path / "b", "one", "The second.")
    found = Catalog.load([tmp_path / "a", tmp_path / "b"], data, specs)
    assert [model.description for model in found.models()] == ["The first."]
    (told,) = found.broken
    assert told.model == str(tmp_path / "b" / "one") and str(tmp_path / "a") in told.reason
    assert found.resolve("local/one").code.folder == str(tmp_path / "a" / "one")


def test_broken_models_have_reasons_and_harm_no_other(data, specs):
    found = Catalog.load([BROKEN], data, specs)
    assert [model.id for model in found.models()] == [
        "local/fine",
        "local/prints-on-import",
    ]
    assert {error.model for error in found.broken} == {
        f"local/{name}"
        for name in (
            *("bad-requirement", "both-names", "no-file", "raises-on-import"),
            *("syntax-error", "unknown-key", "untyped", "wrong-types"),
        )
    }
    with pytest.raises(BrokenModel, match="predict.py, line 1: RuntimeError: no import for you"):
        found.resolve("local/raises-on-import")
    with pytest.raises(NotFound, match="cannot be used: .*unknown key predictor"):
        found.find("local/unknown-key")


def test_a_folder_without_models_is_told(tmp_path, data, specs):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    folder_of(tmp_path / "models", "one")
    given = [tmp_path / each for each in ("empty", "nowhere", "file", "models/one")]
    found = Catalog.load(given, data, specs)
    assert [error.reason for error in found.broken] == [
        "there is no folder with a cog.yaml in it.",
        "it does not exist.",
        "it is no folder.",
        f"it is a model itself. Name the folder that it lies in, {tmp_path / 'models'}.",
    ]


def test_a_second_start_describes_nothing_anew(tmp_path, data, specs, monkeypatch):
    folder_of(tmp_path / "models", "one")
    first = Catalog.load([tmp_path / "models"], data, specs).models()

    def describe(*arguments):
        raise AssertionError("described again")

    monkeypatch.setattr(description, "describe", describe)
    assert Catalog.load([tmp_path / "models"], data, specs).models() == first


def waits_for(gate):
    """The code of a model whose import ends once there is a file `gate`."""
    return f"""
import os, time
while not os.path.exists({str(gate)!r}):
    time.sleep(0.01)
{ECHO}"""


async def test_a_start_waits_for_no_import_and_lists_the_others(tmp_path, data, specs):
    folder_of(tmp_path / "models", "quick")
    Catalog.load([tmp_path / "models"], data, specs)
    slow = folder_of(tmp_path / "models", "slow")
    (slow / "predict.py").write_text(waits_for(tmp_path / "gate"))
    found = Catalog.load([tmp_path / "models"], data, specs, patience=0)
    assert [model.name for model in found.models()] == ["quick"]
    with pytest.raises(BrokenModel, match="its code is being imported"):
        found.resolve("local/slow")
    assert (await found.fresh("local/quick")).model == "local/quick"
    waiting = asyncio.create_task(found.fresh("local/slow"))
    (tmp_path / "gate").touch()
    assert (await waiting).model == "local/slow"
    assert found.broken == () and {model.name for model in found.models()} == {"quick", "slow"}


async def test_what_is_described_beside_is_listed_without_being_asked_for(tmp_path, data, specs):
    slow = folder_of(tmp_path / "models", "slow")
    (slow / "predict.py").write_text(waits_for(tmp_path / "gate"))
    found = Catalog.load([tmp_path / "models"], data, specs, patience=0)
    (tmp_path / "gate").touch()
    while not found.models():
        await found.take_up()
        await asyncio.sleep(0.01)


async def test_what_is_pushed_is_described_beside_too(tmp_path, data, specs, monkeypatch):
    folder = folder_of(tmp_path, "one")
    pushed, _ = Published(data).push(folder, "ada/one")
    monkeypatch.setattr(description, "_own_code", lambda: "another")
    found = Catalog.load([], data, specs, patience=0)
    with pytest.raises(BrokenModel, match="its code is being imported"):
        found.resolve("ada/one")
    assert await found.fresh("ada/one") == pushed.latest
    found = Catalog.load([], data, specs, patience=0)
    assert found.resolve("ada/one") == pushed.latest


async def test_what_is_described_is_ended_with_the_catalog(tmp_path, data, specs):
    slow = folder_of(tmp_path / "models", "slow")
    code = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(__import__('os').getpid()) + ' ')\n"
    (slow / "predict.py").write_text(code + waits_for(tmp_path / "never"))
    found = Catalog.load([tmp_path / "models"], data, specs, patience=0)
    while not (written := tmp_path / "pid").exists() or not written.read_text().endswith(" "):
        await asyncio.sleep(0.01)
    found.close()
    while is_alive(int(written.read_text())):
        await asyncio.sleep(0.01)


async def test_folders_are_looked_at_once_a_second_at_most(tmp_path, data, specs):
    folder = folder_of(tmp_path / "models", "one")
    now = 0.0
    found = Catalog.load([tmp_path / "models"], data, specs, clock=lambda: now)
    first = await found.fresh("local/one")
    (folder / "predict.py").write_text(ECHO + "# edited")
    assert await found.fresh("local/one") is first
    now = 1.0
    assert (await found.fresh("local/one")).id != first.id
