"""Where the API has tokens, each visitor of the page has a history of their own."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.components.conftest import MODELS
from tests.test_app import running

pytestmark = pytest.mark.heavy

expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("visited")
    (folder / "tokens").write_text("ada r8_ada\nadmin r8_admin\n")
    options = ("--offline", "--models", str(MODELS), "--tokens", str(folder / "tokens"))
    with running(folder, *options) as (_, address):
        yield address


def test_what_one_visitor_runs_is_not_for_the_others(page, browser, address):
    page.goto("/?model=local/echo")
    expect(page.locator("#fields .block").first).to_be_visible()
    page.get_by_label("text").first.fill("for my eyes only")
    page.locator("#run").click()
    expect(page.locator("#status [data-state=succeeded]")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?prediction=\w+$"))
    prediction = page.url.rpartition("=")[2]
    page.get_by_role("tab", name="History").click()
    expect(page.locator("#rows .row")).to_have_count(1)

    stranger = browser.new_context(base_url=address)
    other = stranger.new_page()
    other.goto("/?tab=history")
    expect(other.locator("#rows .placeholder")).to_contain_text("Nothing has run yet")
    other.goto(f"/?prediction={prediction}")
    expect(other.get_by_text("does not exist").first).to_be_visible()
    assert "for my eyes only" not in other.content()
    stranger.close()

    asked = f"{address}/v1/predictions/{prediction}"
    # Nor are the deployments of those who have a token.
    body = {"name": "calls", "model": "local/echo", "hardware": "cpu"}
    body |= {"min_instances": 0, "max_instances": 1}
    headers = {"Authorization": "Bearer r8_ada"}
    assert httpx.post(f"{address}/v1/deployments", json=body, headers=headers).is_success
    page.get_by_role("tab", name="Models").click()
    expect(page.locator("#deployments")).to_contain_text("There is none.")
    statuses = {
        name: httpx.get(asked, headers={"Authorization": f"Bearer r8_{name}"}).status_code
        for name in ("ada", "admin")
    }
    assert statuses == {"ada": 404, "admin": 200}


def test_the_cookie_is_for_the_page_alone_and_no_script_reads_it(page, address):
    page.goto("/")
    (cookie,) = page.context.cookies()
    assert cookie["name"] == "atelier_session" and cookie["httpOnly"]
    assert "set-cookie" not in httpx.get(f"{address}/v1/openapi.json").headers


def test_a_visitor_trains_for_the_weights_and_nobody_else_sees_it(page, browser, address):
    page.goto("/?model=local/trains")
    page.locator("#train .label-wrap").first.click()
    form = page.locator("#train")
    expect(form.locator("#destination")).to_have_count(0)
    form.get_by_label("word").first.fill("cats")
    form.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("#status [data-state=succeeded]")).to_be_visible()
    expect(page.locator("#output .block.files")).to_contain_text("weights.txt")
    page.get_by_role("tab", name="History").click()
    rows = page.locator("#rows .row").filter(has_text="training")
    expect(rows).to_have_count(1)
    rows.click()
    expect(page.locator("#detail")).to_contain_text("for its weights alone")
    page.locator("#again").click()
    expect(page.locator("#train").get_by_label("word").first).to_have_value("cats")

    # No version was made of it, which others would run.
    headers = {"Authorization": "Bearer r8_admin"}
    versions = httpx.get(f"{address}/v1/models/local/trains/versions", headers=headers).json()
    assert len(versions["results"]) == 1
    stranger = browser.new_context(base_url=address)
    other = stranger.new_page()
    other.goto("/?tab=history")
    expect(other.locator("#rows .placeholder")).to_contain_text("Nothing has run yet")
    stranger.close()
