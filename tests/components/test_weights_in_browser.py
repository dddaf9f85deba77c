"""Licence, download and the Models page as a person meets them: a real browser, the real app over
two models of a stand-in for the Hub.
"""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import expect

from tests.components.serving import served
from tests.components.test_page_in_browser import run, settle, status
from tests.hub_stand_in import hub

expect.set_options(timeout=30_000)
SIZE = 8_000_000


@pytest.fixture(scope="session")
def weights_stand_in(tmp_path_factory):
    repository = tmp_path_factory.mktemp("repository")
    (repository / "config.json").write_text("{}")
    (repository / "model.safetensors").write_bytes(bytes(SIZE))
    with hub({"somebody/free": repository, "somebody/conditional": repository}) as served:
        yield served


@pytest.fixture(scope="session")
def address(tmp_path_factory, weights_stand_in):
    """Where the app over those two models answers."""
    folder = tmp_path_factory.mktemp("weights-app")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment |= weights_stand_in.environment()
    program = ("-m", "tests.components.weights_app")
    with served(folder, environment=environment, program=program) as running:
        yield running


def open_form(page, model):
    page.goto(f"/?model={model}")
    expect(page.locator("#fields .block").first).to_be_visible()
    settle(page)
    return page.locator("#fields")


def models_page(page):
    page.goto("/?tab=models")
    expect(page.get_by_role("tab", name="Models", selected=True)).to_be_visible()
    settle(page)
    return page.locator("#weights-rows")


def test_a_licence_is_accepted_once_and_the_download_shows_how_far_it_is(page, weights_stand_in):
    open_form(page, "ada/conditional")
    expect(page.locator("#facts .needs")).to_contain_text("downloads 8.0 MB first")
    run(page)
    consent = page.locator("#consent")
    for said in ("non-commercial use only", "Not in the EU", "8.0 MB", "GB", "Sample Non-Comm"):
        expect(consent).to_contain_text(said)

    weights_stand_in.stops_at = SIZE // 2
    page.locator("#accept").click()
    expect(page.locator("#status")).to_contain_text(re.compile(r"downloading weights · .* of 8.0"))
    bar = page.locator("#status progress[value]")
    expect(bar).to_have_attribute("value", re.compile(r"^[45]\d$"))
    expect(consent).to_be_hidden()

    weights_stand_in.flowing.set()
    status(page, "succeeded")
    expect(page.locator("#text")).to_contain_text(f"It weighs {SIZE}.")

    open_form(page, "ada/conditional")
    expect(page.locator("#facts .needs")).to_contain_text("8.0 MB on disk")
    run(page)
    status(page, "succeeded")
    expect(consent).to_be_hidden()


def test_what_is_on_disk_is_listed_and_goes_after_one_question(page):
    open_form(page, "ada/free")
    run(page)
    status(page, "succeeded")
    rows = models_page(page)
    held = rows.locator(".held", has_text="somebody/free")
    for said in ("for ada/free", "Apache-2.0", "used ", "8.0 MB"):
        expect(held).to_contain_text(said)
    held.get_by_role("button", name="Remove somebody/free").click()
    expect(page.locator("#removal")).to_contain_text("Remove somebody/free and free 8.0 MB?")
    page.locator("#keep").click()
    expect(page.locator("#removal")).to_be_hidden()

    held.get_by_role("button", name="Remove somebody/free").click()
    page.locator("#remove").click()
    expect(held).to_have_count(0)
    open_form(page, "ada/free")
    expect(page.locator("#facts .needs")).to_contain_text("downloads 8.0 MB first")
