"""Training a model on the page: the real app, a real browser, a tiny trainer."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.components.test_page_in_browser import history, open_model, status

pytestmark = pytest.mark.heavy


def train(page, name, **inputs):
    """Opens the Train form, fills it and presses its button."""
    open_model(page, name)
    page.locator("#train .label-wrap").first.click()
    form = page.locator("#train")
    for label, value in inputs.items():
        form.get_by_label(label).first.fill(value)
    form.get_by_role("button", name="Train", exact=True).click()


def test_a_model_is_trained_and_what_came_of_it_runs(page):
    train(page, "trains", word="cats")
    status(page, "succeeded")
    expect(page.locator("#output .block.files")).to_contain_text("weights.txt")
    expect(page).to_have_url(re.compile(r"\?prediction=\w+$"))
    page.locator("#output a[href*='?model=local/trains:']").click()
    expect(page.locator("#facts")).to_contain_text("trained from")
    expect(page.locator("#destination input")).to_be_enabled()
    page.locator("#run").click()
    expect(page.locator("#text")).to_contain_text("I know cats")

    rows = history(page)
    expect(rows.nth(1)).to_contain_text("training")
    expect(rows.nth(0)).not_to_contain_text("training")
    rows.nth(1).click()
    expect(page.locator("#detail")).to_contain_text("into local/trains")
    page.locator("#again").click()
    expect(page.locator("#train").get_by_label("word").first).to_have_value("cats")


def test_a_training_is_canceled_and_refused_inputs_are_marked_like_any_run(page):
    train(page, "trains", word="cats")
    status(page, "succeeded")
    form = page.locator("#train")
    form.get_by_label("word").first.fill("")
    form.get_by_role("button", name="Train", exact=True).click()
    expect(form.locator(".invalid").first).to_be_visible()

    form.get_by_label("word").first.fill("dogs")
    form.get_by_label("never").check()
    form.get_by_role("button", name="Train", exact=True).click()
    status(page, "running")
    page.locator("#cancel").click()
    status(page, "canceled")


def test_a_model_that_cannot_be_trained_has_no_train_form(page):
    open_model(page, "echo")
    expect(page.locator("#train")).to_have_count(0)
