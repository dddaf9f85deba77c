"""The real app in a process of its own, and a real browser in front of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests" / "models"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE = 30_000
"""Milliseconds until a state that never comes is a failure."""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where the app answers, with the models of tests/models and an empty history."""
    folder = tmp_path_factory.mktemp("app")
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(folder / "gradio")}
    command = [sys.executable, "app.py", "--port", "0", "--offline"]
    command += ["--data", str(folder / "data"), "--models", str(MODELS)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as app:
        try:
            line = app.stdout.readline()
            yield re.search(r"http://\S+", line).group()
        finally:
            app.terminate()
            app.wait(20)


# Not for the whole session: its event loop runs while it is open, and other tests need theirs.
@pytest.fixture(scope="module")
def browser():
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("The browser tests need Chromium: apt-get install chromium")
        pytest.skip("No Chromium here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def context(browser, address):
    opened = browser.new_context(base_url=address, viewport={"width": 1440, "height": 900})
    opened.set_default_timeout(PATIENCE)
    yield opened
    opened.close()


@pytest.fixture
def page(context, address):
    """A browser tab. Fails the test on a request to another host and on an error in the page."""
    tab = context.new_page()
    strays: list[str] = []
    errors: list[str] = []
    tab.on("request", lambda each: _is_stray(each.url, address) and strays.append(each.url))
    # What the page's own policy refuses is announced like a request but never leaves the browser.
    tab.on("requestfailed", lambda each: each.failure == "csp" and strays.remove(each.url))
    tab.on("pageerror", lambda each: errors.append(str(each)))
    yield tab
    assert strays == []
    assert errors == []


def _is_stray(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:", address.replace("http", "ws", 1)))
