"""What the first load of the page costs a browser, against a bare `gr.Interface`
with one text field: requests, bytes as they come, and seconds until Run can be pressed.

python -m bench.page_load
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from bench.serving import atelier, serving

ROUNDS = 5

BARE = """
import gradio
gradio.Interface(lambda text: text, "text", "text").launch(quiet=False)
"""


class Load(NamedTuple):
    requests: int
    size: int
    seconds: float


@contextlib.contextmanager
def bare_interface() -> Iterator[tuple[str, int]]:
    with serving([sys.executable, "-u", "-c", BARE]) as served:
        yield served


def load(browser: Browser, address: str, usable: Callable[[Page], None]) -> Load:
    """One visit with an empty cache, until its `usable` returns and the network is quiet."""
    context = browser.new_context()
    page = context.new_page()
    network = context.new_cdp_session(page)
    came: list[int] = []
    network.on("Network.loadingFinished", lambda event: came.append(event["encodedDataLength"]))
    network.send("Network.enable")
    began = time.perf_counter()
    page.goto(f"http://{address}/", wait_until="commit")
    usable(page)
    seconds = time.perf_counter() - began
    page.wait_for_timeout(2000)
    context.close()
    return Load(len(came), sum(came), seconds)


def run_is_there(page: Page) -> None:
    page.locator("#run:enabled").wait_for()
    page.locator("#fields textarea").first.wait_for()


def submit_is_there(page: Page) -> None:
    page.get_by_role("button", name="Submit").wait_for()


def middle(loads: list[Load]) -> Load:
    return Load(*map(statistics.median, zip(*loads, strict=True)))  # type: ignore[arg-type]


def main() -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        sys.exit("No Chromium found. Install it: apt-get install chromium")
    with sync_playwright() as playwright, bare_interface() as bare, atelier() as ours:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        pairs = [
            (load(browser, bare[0], submit_is_there), load(browser, ours[0], run_is_there))
            for _ in range(ROUNDS + 1)
        ][1:]  # of the first the server prepares what it then has
        browser.close()
    base, page = (middle([pair[at] for pair in pairs]) for at in (0, 1))
    for what, one, other, unit in (
        ("requests", base.requests, page.requests, ""),
        ("bytes", base.size / 1e3, page.size / 1e3, " kB"),
        ("until Run can be pressed", base.seconds, page.seconds, " s"),
    ):
        print(f"{what}: bare gr.Interface {one:.4g}{unit}, the page {other:.4g}{unit}")
        print(f"  ratio {other / one:.2f}")


if __name__ == "__main__":
    main()
