"""What a start and an idle app do without, asked of one that has come to where it would serve."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ASKED = """
import asyncio, gc, json, sys, time
usual = gc.get_threshold()
opened = set()
sys.addaudithook(lambda event, given: event == "open" and opened.add(str(given[0])))
import app

async def looks_a_second(queue):
    looks = []
    class Events(dict):
        def values(self):
            looks.append(time.monotonic())
            return ()
    queue.event_queue_per_concurrency_id = Events()
    looking = asyncio.create_task(queue.start_processing())
    while len(looks) < 9:
        await asyncio.wait([looking], timeout=0.1)
    looking.cancel()
    return (len(looks) - 1) / (looks[-1] - looks[0])

async def serving(page, service, *_):
    await service.stop()
    looks = await looks_a_second(page.routes[-1].app.blocks._queue)
    print(json.dumps({
        "stubs": [path for path in opened if path.endswith(".pyi")],
        "usual": gc.isenabled() and gc.get_threshold() == usual,
        "kept": gc.get_freeze_count(),
        "looks": looks,
    }))

app.until_ended = serving
sys.exit(app.main(["--port", "0", "--data", sys.argv[1], "--public-url", "https://a.lan/b"]))
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    command = [sys.executable, "-c", ASKED, str(tmp_path_factory.mktemp("data"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {**json.loads(done.stdout), "told": done.stderr}


def test_gradio_writes_no_stubs_for_editors(started):
    assert started["stubs"] == []


def test_garbage_is_collected_as_usual_but_not_looked_for_in_what_a_start_has_made(started):
    assert started["usual"]
    assert started["kept"] > 100_000


def test_an_app_that_nobody_visits_rests(started):
    assert started["looks"] < 60


def test_what_the_settings_do_not_do_is_told(started):
    (line,) = started["told"].splitlines()
    assert line.startswith("atelier: below a path, as https://a.lan/b has one, only the API")
