"""Stored files on their way to the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from cog.encoding import FILE
from components import page_files
from predictions.files import Files
from predictions.store import Store


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    store = Store(tmp_path / "db")
    yield Files(tmp_path / "files", store, 1000)
    store.close()


async def test_a_file_is_lent_without_being_copied(files):
    stored = await files.save(b"bytes", name="a.txt")
    shown = await page_files.shown(files, f"{stored.id}/a.txt")
    assert Path(shown.path).samefile(files.path(stored))
    assert (shown.content_type, shown.size) == ("text/plain", 5)
    assert await page_files.shown(files, stored.id) == shown


async def test_a_file_that_is_gone_keeps_its_name(files):
    gone = await page_files.shown(files, "nowhere/a.png")
    assert (gone.path, gone.name, gone.content_type) == (None, "a.png", "image/png")


async def test_inputs_get_paths_for_files_and_keep_the_rest(files):
    stored = await files.save(b"bytes", name="a.txt")
    ours = {FILE: f"{stored.id}/a.txt"}
    assert (await page_files.local(files, ours)).name == "a.txt"
    assert await page_files.local(files, {FILE: "nowhere/b"}) is None
    assert await page_files.local(files, "https://example.com/a.png") == "https://example.com/a.png"


async def test_a_file_that_comes_as_a_data_uri_gets_a_path(files):
    path = await page_files.local(files, "data:image/png;base64,iVBORw==")
    assert (path.suffix, path.read_bytes()) == (".png", b"\x89PNG")
    assert await page_files.local(files, "data:image/png;base64,iVBORw==") == path
