"""Adding a model of the Hub on the page, from a stand-in of the Hub with one tiny repository."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import expect

from tests.components import serving
from tests.components.conftest import PATIENCE
from tests.components.test_page_in_browser import run, settle
from tests.hub_stand_in import Repository, hub
from tests.tiny import hub_repos

expect.set_options(timeout=PATIENCE)
pytestmark = pytest.mark.heavy
LOADING = 100_000
"""Milliseconds that a busy machine may take to load the libraries of a first run."""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adding")
    repository = folder / "repository"
    hub_repos.sentence_encoder(repository)
    served = Repository(repository, pipeline_tag="feature-extraction")
    with hub({"somebody/encoder": served}) as stand_in:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        environment |= stand_in.environment()
        with serving.served(folder, environment=environment) as running:
            yield running


def test_a_repository_of_the_hub_becomes_a_model_that_runs(page):
    page.goto("/?tab=models")
    expect(page.get_by_role("tab", name="Models", selected=True)).to_be_visible()
    settle(page)
    adding, told = page.locator("#add-model"), page.locator("#added")
    adding.get_by_role("button", name="Add a model from the Hub").click()
    adding.get_by_label("Repository").fill("somebody/nothing")
    adding.locator("#add").click()
    expect(told.get_by_role("alert")).to_contain_text("somebody/nothing")

    adding.get_by_label("Repository").fill("somebody/encoder")
    adding.locator("#add").click()
    expect(told.get_by_role("link", name="somebody/encoder")).to_be_visible()
    expect(told).to_contain_text("Its first run downloads")
    expect(adding.get_by_label("Repository")).to_have_value("")

    told.get_by_role("link").click()
    expect(page.locator("#facts .needs")).to_contain_text("first")
    settle(page)
    page.locator("#fields").get_by_label("text").first.fill("the cat")
    run(page)
    expect(page.locator("#status [data-state=succeeded]")).to_be_visible(timeout=LOADING)
    page.get_by_role("tab", name="Models").click()
    expect(page.locator("#weights-rows .held")).to_contain_text("for somebody/encoder")
