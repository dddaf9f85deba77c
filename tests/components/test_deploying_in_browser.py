"""Deployments at the page: made, scaled and deleted in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.components.test_page_in_browser import settle

pytestmark = pytest.mark.heavy

expect.set_options(timeout=30_000)


def test_the_operator_deploys_a_model_scales_it_and_deletes_it(page):
    page.goto("/?tab=models")
    expect(page.locator("#deployments")).to_contain_text("There is none.")
    settle(page)
    page.get_by_role("button", name="Deploy a model").click()
    settle(page)
    page.locator("#deployed-model input").click()
    page.get_by_role("option", name="local / echo").click()
    page.locator("#deploy-model").get_by_role("textbox", name="Name").fill("my-calls")
    page.locator("#deploy").click()
    row = page.locator("#deployments .deployment")
    expect(row).to_contain_text("atelier/my-calls")
    expect(row).to_contain_text("0 to 1 instances")
    expect(page.locator("#deployed")).to_contain_text("/v1/deployments/atelier/my-calls/predict")
    body = {"input": {"text": "hi"}}
    asked = "/v1/deployments/atelier/my-calls/predictions"
    made = page.request.post(asked, data=body, headers={"Prefer": "wait=30"})
    assert made.json()["output"] == "hi"

    change = row.get_by_role("button", name="Change atelier/my-calls")
    change.click()
    panel = page.locator("#redeployment")
    expect(panel).to_contain_text("Change atelier/my-calls")
    expect(panel.get_by_text("Run the newest version")).to_be_hidden()
    panel.get_by_label("number input for max_instances").fill("3")
    panel.get_by_label("number input for max_instances").blur()
    page.locator("#redeploy").click()
    expect(row).to_contain_text("0 to 3 instances")
    expect(row).to_contain_text("release 2")
    expect(panel).to_be_hidden()

    change.click()
    page.locator("#undeploy").click()
    expect(row).to_have_count(0)
    expect(panel).to_be_hidden()
