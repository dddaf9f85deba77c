"""What a start does without, asked of one that has come to the point where it would serve."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ASKED = """
import gc, json, sys
usual = gc.get_threshold()
opened = set()
sys.addaudithook(lambda event, given: event == "open" and opened.add(str(given[0])))
import app

async def serving(page, service, *_):
    await service.stop()
    print(json.dumps({
        "stubs": [path for path in opened if path.endswith(".pyi")],
        "usual": gc.isenabled() and gc.get_threshold() == usual,
        "kept": gc.get_freeze_count(),
    }))

app.until_ended = serving
sys.exit(app.main(["--port", "0", "--data", sys.argv[1]]))
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    command = [sys.executable, "-c", ASKED, str(tmp_path_factory.mktemp("data"))]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def test_gradio_writes_no_stubs_for_editors(started):
    assert started["stubs"] == []


def test_garbage_is_collected_as_usual_but_not_looked_for_in_what_a_start_has_made(started):
    assert started["usual"]
    assert started["kept"] > 100_000
