"""A model's folder, read again when its code is edited."""

from __future__ import annotations

import asyncio

import pytest

from errors import BrokenModel
from model_registry.catalog import Catalog
from model_registry.model_folder import find_folders

OTHER = "def Predictor(n: int) -> int: ..."


@pytest.fixture
def folder(write, models, prints, descriptions):
    """`local/one`, read once."""
    write("one")
    (found,) = find_folders(models, prints, descriptions)
    found.read()
    return found


def test_a_folder_as_it_was_is_not_read_again(folder):
    assert folder.read_if_edited() is None


def test_an_edited_folder_is_read_once(folder, write):
    write("one", predict=OTHER)
    assert folder.read_if_edited().latest.input_schema["required"] == ["n"]
    assert folder.read_if_edited() is None


def test_what_a_run_writes_is_no_edit(folder, write):
    write("one")  # only the times are others: the same content is the same version
    before = folder.read()
    write("one", **{"output.png": "made by a run", "results.json": "{}"})
    assert (folder.read_if_edited() or before).latest.id == before.latest.id


def test_an_edit_that_breaks_the_model_is_told_until_the_next_one(folder, write):
    write("one", predict="x = ")
    assert isinstance(folder.read_if_edited(), BrokenModel)
    assert folder.read_if_edited() is None
    write("one", predict=OTHER)
    assert folder.read_if_edited().latest.input_schema["required"] == ["n"]


async def test_all_who_ask_at_once_wait_for_one_look(write, models, data, tmp_path):
    write("one")
    catalog = Catalog.load([models], data, tmp_path / "no-specs")
    count = tmp_path / "count"
    write("one", predict=f"open({str(count)!r}, 'a').write('x')\n{OTHER}")
    found = await asyncio.gather(*(catalog.fresh("local/one") for _ in range(5)))
    assert [version.input_schema["required"] for version in found] == [["n"]] * 5
    assert count.read_text() == "x"


async def test_who_stops_waiting_leaves_the_others_their_look(write, models, data, tmp_path):
    write("one")
    catalog = Catalog.load([models], data, tmp_path / "no-specs")
    write("one", predict=OTHER)
    impatient = asyncio.create_task(catalog.fresh("local/one"))
    patient = asyncio.create_task(catalog.fresh("local/one"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).input_schema["required"] == ["n"]
