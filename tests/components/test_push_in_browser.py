"""Adding a model as the operator does on the page: a zip, then the folder with another line."""

from __future__ import annotations

import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.components.test_page_in_browser import run, settle, status

pytestmark = pytest.mark.heavy

CODE = "def Predictor(text: str) -> str:\n    return {!r} + text\n"


def write(folder, says):
    folder.mkdir(exist_ok=True)
    (folder / "cog.yaml").write_text("predict: predict.py:Predictor")
    (folder / "predict.py").write_text(CODE.format(says))
    (folder / "README.md").write_text("# Says\n\nSays it again.\n")
    return folder


def form(page):
    page.goto("/?tab=models")
    expect(page.get_by_role("tab", name="Models", selected=True)).to_be_visible()
    settle(page)
    form = page.locator("#push-model")
    form.get_by_role("button", name="Add a model: a folder").click()
    return form


def test_a_zip_becomes_a_model_and_the_changed_folder_its_next_version(page, tmp_path):
    folder = write(tmp_path / "says", "one ")
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "says")
    adding, told = form(page), page.locator("#pushed")
    adding.locator("#push").click()
    expect(told.get_by_role("alert")).to_have_text("Write a folder or an address, or choose a zip.")
    adding.locator("input[type=file]").set_input_files(packed)
    # Its cell's label: the page may part a name from its ending with a space.
    expect(adding.locator("#push-zip").get_by_label("packed.zip")).to_be_visible()
    adding.get_by_label("Name").fill("browser/says")
    adding.locator("#push").click()
    expect(told).to_contain_text("browser/says has a new version")
    told.get_by_role("link", name="browser/says").click()
    expect(page.locator("#facts")).to_contain_text("Says it again.")
    settle(page)
    page.locator("#fields").get_by_label("text").fill("hello")
    run(page)
    status(page, "succeeded")
    expect(page.locator("#output")).to_contain_text("one hello")

    write(folder, "two ")
    adding = form(page)
    adding.get_by_label("Folder on this machine").fill(str(folder))
    adding.get_by_label("Name").fill("browser/says")
    adding.locator("#push").click()
    expect(told).to_contain_text("Beside it 1 older one can be run.")
    page.get_by_role("tab", name="Explore").click()
    expect(page.locator('#cards [data-model="browser/says"]')).to_be_visible()


def test_an_older_version_is_opened_by_its_link_and_still_runs(page, tmp_path):
    for says in ("one ", "two "):
        adding = form(page)
        adding.get_by_label("Folder on this machine").fill(str(write(tmp_path / "old", says)))
        adding.get_by_label("Name").fill("browser/old")
        adding.locator("#push").click()
        expect(page.locator("#pushed")).to_contain_text("browser/old has a new version")
    page.goto("/?model=browser/old")
    page.get_by_role("tab", name="Versions").click()
    older = page.locator("#versions a").nth(1)
    expect(older).to_contain_text("browser/old:")
    version = older.inner_text().partition(":")[2]
    older.click()
    expect(page.locator("#facts")).to_contain_text("not the newest version")
    settle(page)
    page.locator("#fields").get_by_label("text").fill("hello")
    run(page)
    status(page, "succeeded")
    expect(page.locator("#output")).to_contain_text("one hello")

    # What it made is still shown when it is gone, beside the form of the newest.
    expect(page).to_have_url(re.compile("prediction="))
    assert page.request.delete(f"/v1/models/browser/old/versions/{version}").ok
    page.reload()
    expect(page.locator("#output")).to_contain_text("one hello")
    expect(page.get_by_test_id("toast-body")).to_contain_text("not here any more")
    expect(page.locator("#fields").get_by_label("text")).to_have_value("hello")


def test_history_offers_a_model_that_was_added_while_the_page_was_open(page, tmp_path):
    adding = form(page)
    adding.get_by_label("Folder on this machine").fill(str(write(tmp_path / "new", "new ")))
    adding.get_by_label("Name").fill("browser/new")
    adding.locator("#push").click()
    expect(page.locator("#pushed")).to_contain_text("browser/new has a new version")
    page.get_by_role("tab", name="History").click()
    expect(page.locator("#rows .row, #rows .placeholder").first).to_be_visible()
    page.locator("#of-model input").click()
    # Also where there are more models than Gradio shows at first, and it is the last of them.
    new = page.get_by_role("option", name="browser/new")
    expect(new).to_be_attached()
    page.keyboard.type("browser/new")
    expect(page.get_by_role("option")).to_have_count(1)
    new.click()
    expect(page.locator("#rows .placeholder")).to_have_text("No run is like that.")


def test_what_is_no_model_is_said_with_file_and_line(page, tmp_path):
    folder = write(tmp_path / "says", "x")
    (folder / "cog.yaml").write_text("predict: predict.py:Predictor\nbuild: [\n")
    adding = form(page)
    adding.get_by_label("Folder on this machine").fill(str(folder))
    adding.get_by_label("Name").fill("browser/broken")
    adding.locator("#push").click()
    expect(page.locator("#pushed").get_by_role("alert")).to_contain_text("cog.yaml, line 2")


def test_a_folder_that_is_read_as_it_is_says_that_it_is_live(page):
    page.goto("/?model=local/echo")
    expect(page.locator("#facts")).to_contain_text("live folder")
