"""Speech from the microphone, recorded in a real browser and written down by a starter."""

from __future__ import annotations

import re
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from model_registry.starter.train.training import STARTERS
from tests.components.conftest import FLAGS
from tests.components.test_page_in_browser import settle
from tests.test_app import running

pytestmark = pytest.mark.heavy

RECORDING = STARTERS / "listen" / "lights.wav"


@pytest.fixture
def address(tmp_path):
    """An app of its own: what is run here is in nobody else's history."""
    with running(tmp_path, "--offline") as (_, address):
        yield address


@pytest.fixture
def speaking(address):
    """A browser whose microphone hears a recording over and over."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        pytest.skip("No Chromium here: apt-get install chromium")
    flags = [
        *FLAGS,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={RECORDING}",
    ]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=flags)
        context = launched.new_context(base_url=address, viewport={"width": 1440, "height": 900})
        context.grant_permissions(["microphone"])
        yield context.new_page()
        launched.close()


def test_what_the_microphone_hears_is_written_down(speaking):
    page = speaking
    page.goto("/?model=starter/listen")
    expect(page.locator("#fields .block").first).to_be_visible(timeout=60_000)
    page.get_by_label("Record audio").click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(4000)
    with page.expect_response(lambda each: "/upload" in each.url):
        page.get_by_role("button", name="Stop", exact=True).click()
    settle(page)
    page.locator("#run").click()
    done = page.locator("#status [data-state=succeeded]")
    expect(done).to_be_visible(timeout=100_000)
    expect(page.locator("#output")).to_contain_text(re.compile("light", re.IGNORECASE))
