"""A page that stays open while the app is stopped and started again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.components.conftest import MODELS, PATIENCE, ROOT
from tests.components.test_page_in_browser import open_model, prediction_id, run, settle, status

expect.set_options(timeout=PATIENCE)
pytestmark = pytest.mark.heavy


class App:
    def __init__(self, folder):
        self._folder = folder
        self.address = self.start("0")

    def start(self, port):
        command = [sys.executable, "app.py", "--port", port, "--offline", "--models", str(MODELS)]
        self._process = subprocess.Popen(
            [*command, "--data", str(self._folder / "data")],
            cwd=ROOT,
            env={**os.environ, "GRADIO_TEMP_DIR": str(self._folder / "gradio")},
            stdout=subprocess.PIPE,
            text=True,
        )
        return re.search(r"http://\S+", self._process.stdout.readline()).group()

    def stop(self):
        self._process.terminate()
        self._process.communicate(timeout=30)

    def restart(self):
        self.stop()
        self.start(str(urlsplit(self.address).port))


@pytest.fixture
def app(tmp_path):
    started = App(tmp_path)
    yield started
    started.stop()


@pytest.fixture
def page(browser, app):
    opened = browser.new_context(base_url=app.address, viewport={"width": 1440, "height": 900})
    opened.set_default_timeout(PATIENCE)
    yield opened.new_page()
    opened.close()


def restart(app, page):
    before = page.evaluate("gradio_config.app_id")
    app.restart()
    return before


def loaded_anew(page, before):
    page.wait_for_function("before => window.gradio_config?.app_id !== before", arg=before)
    expect(page.locator("#fields .block").first).to_be_visible()


def test_run_works_after_a_restart_with_what_was_typed_before(app, page):
    text = open_model(page, "echo").get_by_label("text")
    text.fill("typed before")
    before = restart(app, page)
    run(page)
    loaded_anew(page, before)
    expect(text).to_have_value("typed before")
    settle(page)
    run(page)
    status(page, "succeeded")
    expect(page.locator("#text")).to_contain_text("typed before")


def test_a_page_whose_app_is_gone_says_so_and_comes_back_by_itself(app, page):
    text = open_model(page, "echo").get_by_label("text")
    text.fill("typed before")
    before = page.evaluate("gradio_config.app_id")
    app.stop()
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    app.start(str(urlsplit(app.address).port))
    loaded_anew(page, before)
    expect(text).to_have_value("typed before")
    expect(page.get_by_text("does not answer")).to_have_count(0)


def test_what_ran_tells_that_it_was_stopped_and_what_was_typed_meanwhile_stays(app, page):
    form = open_model(page, "counts")
    form.get_by_label("number input for n").fill("100000")
    form.get_by_label("number input for delay").fill("0.05")
    run(page)
    expect(page.locator("#text")).to_contain_text("0 1 2 ")
    link = prediction_id(page)
    form.get_by_label("number input for n").fill("7")
    before = restart(app, page)
    loaded_anew(page, before)
    status(page, "failed")
    expect(page.locator("#problem")).to_contain_text("Atelier was stopped")
    expect(form.get_by_label("number input for n")).to_have_value("7")
    assert prediction_id(page) == link
