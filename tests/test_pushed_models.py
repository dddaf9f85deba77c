"""Models pushed into the running app by a process beside it: old and new run side by side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

from tests.test_app import ROOT, running

pytestmark = pytest.mark.slow

MEETS = """
import time
from pathlib import Path

def Predictor(place: str, other: str) -> str:
    (Path(place) / "{0}").write_text("here")
    while not (Path(place) / other).exists():
        time.sleep(0.01)
    return "{0}"
"""
"""Ends once another of its kind runs beside it."""
WAITS = """
import os, time
from pathlib import Path

(Path(__file__).parent / "reached").write_text("")
parent = os.getppid()
while os.getppid() == parent:
    time.sleep(0.01)
"""
"""Is not imported before whoever imports it is gone."""


def push(data, *arguments, **options):
    command = [sys.executable, "app.py", "push", *map(str, arguments), "--data", str(data)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def pushed(data, *arguments):
    with push(data, *arguments) as process:
        said, complaint = process.communicate(timeout=120)
    return process.returncode, (said or complaint).strip()


def write(folder, code):
    folder.mkdir(exist_ok=True)
    (folder / "cog.yaml").write_text("predict: predict.py:Predictor")
    (folder / "predict.py").write_text(code)
    return folder


def ended(client, prediction):
    while prediction["status"] in ("starting", "processing"):
        time.sleep(0.05)
        prediction = client.get(f"/v1/predictions/{prediction['id']}").json()
    assert prediction["status"] == "succeeded", (prediction["error"], prediction["logs"])
    return prediction["output"]


@pytest.mark.heavy
def test_a_pushed_version_runs_beside_the_next_one_and_after_a_kill(tmp_path):
    data, folder = tmp_path / "data", tmp_path / "meets"

    def create(client, reference, other):
        body = {"version": reference, "input": {"place": str(tmp_path), "other": other}}
        made = client.post("/v1/predictions", json=body)
        assert made.status_code == 201, made.text
        return made.json()

    with running(tmp_path) as (process, address), httpx.Client(base_url=address) as client:
        client.timeout = 120
        assert client.get("/v1/models/ada/meets").status_code == 404
        status, first = pushed(data, write(folder, MEETS.format("one")), "ada/meets")
        assert status == 0 and first.startswith("ada/meets:")
        assert pushed(data, folder, "ada/meets") == (0, f"{first} was there already.")
        old = create(client, "ada/meets", "two")
        status, second = pushed(data, write(folder, MEETS.format("two")), "ada/meets")
        assert status == 0 and second != first
        new = create(client, "ada/meets", "one")
        assert f"ada/meets:{old['version']}" == first and f"ada/meets:{new['version']}" == second
        assert (ended(client, old), ended(client, new)) == ("one", "two")
        assert pushed(data, folder, "starter/story")[1].startswith("atelier: A model 'starter/sto")
        process.send_signal(signal.SIGKILL)
        process.wait()
    with running(tmp_path) as (_, address), httpx.Client(base_url=address) as client:
        client.timeout = 120
        for reference, says in ((first, "one"), (second, "two"), ("ada/meets", "two")):
            assert ended(client, create(client, reference, "one")) == says


@pytest.mark.heavy
def test_a_push_that_is_killed_midway_leaves_the_running_app_as_it_was(tmp_path):
    data = tmp_path / "data"
    marker = "reached"
    with running(tmp_path) as (_, address):
        # It holds the copy by the time that the model is imported.
        with push(
            data, write(tmp_path / "waits", WAITS), "ada/waits", start_new_session=True
        ) as process:
            incoming = data / "published" / "incoming"
            while not list(incoming.glob(f"*/model/{marker}")):
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
        assert list(incoming.iterdir())
        assert httpx.get(f"{address}/v1/models/ada/waits").status_code == 404
        assert httpx.get(f"{address}/v1/models/starter/story").status_code == 200
    with running(tmp_path) as (_, address):
        assert httpx.get(f"{address}/v1/models/ada/waits").status_code == 404
        while list(incoming.iterdir()):
            time.sleep(0.02)


def test_what_cannot_be_pushed_is_one_line(tmp_path):
    folder = write(tmp_path / "broken", "def Predictor(")
    assert pushed(tmp_path / "data", folder, "ada/broken") == (
        1,
        "atelier: ada/broken cannot be used: predict.py, line 1: SyntaxError: '(' was never closed",
    )
    status, said = pushed(tmp_path / "data", tmp_path / "none", "ada/broken")
    assert status == 1 and said.startswith("atelier: There is no folder")
    (tmp_path / "file").write_text("")
    status, said = pushed(tmp_path / "file" / "data", folder, "ada/broken")
    assert status == 1 and len(said.splitlines()) == 1 and "cannot be pushed" in said
