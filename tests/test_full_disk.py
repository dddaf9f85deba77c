"""The whole app on a disk that fills while it works: nothing is lost, the reason is said, and all
goes on once there is room.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.hub_stand_in import hub

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "tests" / "models"
WEIGHTS = 8_000_000
GATED = """
import os, time
from typing import Iterator

def run(gate: str) -> Iterator[str]:
    yield "before"
    while not os.path.exists(gate):
        time.sleep(0.01)
    yield "after"
"""
pytestmark = pytest.mark.slow
ENDED = ("succeeded", "failed", "canceled")


class Disk:
    """Only the app sees it: nothing is left of it when that ends, however it does."""

    def __init__(self, folder):
        self.folder = folder
        self.process = None

    def fill(self):
        with contextlib.suppress(OSError), open(self._filler, "ab", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))

    def clear(self):
        self._filler.unlink()

    @property
    def _filler(self):
        return Path(f"/proc/{self.process.pid}/root{self.folder}/filler")


class Client(httpx.Client):
    def create(self, model, inputs, prefer=None):
        headers = {"Prefer": prefer} if prefer else {}
        return self.post(f"models/{model}/predictions", json={"input": inputs}, headers=headers)

    def until(self, made, *statuses):
        while (found := self.get(f"predictions/{made['id']}").json())["status"] not in statuses:
            time.sleep(0.05)
        return found


@pytest.fixture
def mounted(tmp_path):
    """The beginning of a command that has a disk of so many kilobytes, and its folder."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mounted(size):
        mount = f'mount -t tmpfs -o size={size}k none "$0" && exec "$@"'
        return ["unshare", "-rm", "sh", "-c", mount, str(folder)], folder

    command, _ = mounted(4)
    with contextlib.suppress(FileNotFoundError):
        if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return mounted
    pytest.skip("needs a system that lets its users mount a file system")


@pytest.fixture
def stand_in(tmp_path):
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "config.json").write_text("{}")
    (repository / "model.safetensors").write_bytes(bytes(WEIGHTS))
    with hub({"somebody/free": repository}) as served:
        yield served


@pytest.fixture
def app(tmp_path, mounted, stand_in):
    """The app on a small disk: the disk, a client of its API, and what it says."""
    on_a_disk, folder = mounted(40_000)
    disk = Disk(folder)
    gated = tmp_path / "models" / "gated"
    shutil.copytree(MODELS / "echo", gated.with_name("echo"))
    gated.mkdir()
    (gated / "cog.yaml").write_text("predict: predict.py:run")
    (gated / "predict.py").write_text(GATED)
    command = [sys.executable, "-m", "tests.components.weights_app", "--port", "0"]
    command += ["--data", str(disk.folder / "data"), "--models", str(gated.parent)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    with open(tmp_path / "stderr.txt", "w") as stderr:
        disk.process = subprocess.Popen(
            [*on_a_disk, *command],
            cwd=ROOT, env={**environment, **stand_in.environment()},
            stdout=subprocess.PIPE, stderr=stderr, text=True,
        )  # fmt: skip
    try:
        address = re.search(r"http://\S+", disk.process.stdout.readline()).group()
        with Client(base_url=f"{address}/v1/", timeout=60) as client:
            yield disk, client, lambda: (tmp_path / "stderr.txt").read_text()
    finally:
        disk.process.send_signal(signal.SIGTERM)
        disk.process.wait(30)
        disk.process.stdout.close()


def test_a_disk_that_is_full_at_the_start_is_one_clear_line(mounted):
    on_a_disk, folder = mounted(16)
    command = [sys.executable, "app.py", "--port", "0", "--data", str(folder / "data")]
    done = subprocess.run([*on_a_disk, *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and not done.stdout
    (line,) = done.stderr.strip().splitlines()
    assert "the disk is full" in line and "or give another with --data" in line


def test_a_disk_that_fills_while_something_runs_loses_nothing(app, tmp_path):
    disk, client, said = app
    gate = tmp_path / "gate"
    gated = client.create("local/gated", {"gate": str(gate)}).json()
    client.until(gated, "processing")
    disk.fill()

    taken = []  # the database has a little room of its own left
    while (answer := client.create("local/echo", {"text": "x" * 20_000})).is_success:
        taken.append(answer.json())
    assert answer.status_code == 503
    assert "disk is full. Make room on the disk of Atelier's data folder" in answer.text
    upload = client.post("files", files={"content": ("a.bin", bytes(2_000_000))})
    assert upload.status_code == 503 and "No space left on device. Make room" in upload.text
    # An end that cannot be put on record is told to nobody yet.
    gate.touch()
    while f"{gated['id']} is not on record yet" not in said():
        time.sleep(0.05)
    assert client.get(f"predictions/{gated['id']}").json()["status"] == "processing"

    disk.clear()
    ended = client.until(gated, *ENDED)
    assert (ended["status"], ended["output"]) == ("succeeded", ["before", "after"])
    for each in taken:
        assert client.until(each, *ENDED)["output"] == "x" * 20_000
    assert client.create("local/echo", {"text": "new"}, "wait").json()["output"] == "new"
    assert client.get("files").json()["results"] == []
    listed = client.get("predictions").json()["results"]
    assert len(listed) == len(taken) + 2 and {each["status"] for each in listed} == {"succeeded"}


def test_a_disk_that_fills_during_a_download_keeps_what_has_arrived(app, stand_in):
    disk, client, said = app
    stand_in.stops_at = WEIGHTS // 2
    made = client.create("ada/free", {}).json()
    while stand_in.flowing.is_set():
        time.sleep(0.05)
    disk.fill()
    stand_in.flowing.set()
    while f"{made['id']} is not on record yet" not in said():
        if client.get(f"predictions/{made['id']}").json()["status"] == "failed":
            break
        time.sleep(0.05)
    disk.clear()
    error = client.until(made, "failed")["error"]
    assert "the disk is full. Remove models on the Models page" in error and "is kept" in error
    stand_in.served.clear()
    again = client.create("ada/free", {}, "wait").json()
    assert client.until(again, *ENDED)["output"] == f"It weighs {WEIGHTS}."
    assert stand_in.served["somebody/free/model.safetensors"] < WEIGHTS
