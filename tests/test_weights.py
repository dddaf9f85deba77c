"""Weights of the Hub through the whole app as a process: over HTTP, killed, started again."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.hub_stand_in import hub

ROOT = Path(__file__).resolve().parent.parent
SIZE = 8_000_000
pytestmark = pytest.mark.slow


@pytest.fixture
def stand_in(tmp_path):
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "config.json").write_text("{}")
    (repository / "model.safetensors").write_bytes(bytes(SIZE))
    with hub({"somebody/free": repository, "somebody/conditional": repository}) as served:
        yield served


@contextlib.contextmanager
def running(data, stand_in, *options):
    """The app over two models of the stand-in; gives the process and a client of its API."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    command = [sys.executable, "-m", "tests.components.weights_app", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--data", str(data), *options],
        cwd=ROOT, env={**environment, **stand_in.environment()},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        address = re.search(r"http://\S+", process.stdout.readline()).group()
        with httpx.Client(base_url=f"{address}/v1/", timeout=60) as client:
            yield process, client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()


def until(client, prediction, condition):
    while not condition(found := client.get(f"predictions/{prediction['id']}").json()):
        time.sleep(0.05)
    return found


def test_a_killed_app_finds_prediction_and_bytes_again(tmp_path, stand_in):
    stand_in.stops_at = SIZE // 2
    with running(tmp_path / "data", stand_in) as (process, client):
        made = client.post("models/ada/free/predictions", json={"input": {"by": 2}}).json()
        until(client, made, lambda found: re.search(r"Downloading weights: \d", found["logs"]))
        while stand_in.flowing.is_set():
            time.sleep(0.05)
        process.kill()
        process.wait()
    partial = sum(each.stat().st_size for each in (tmp_path / "data").rglob("*.incomplete"))
    assert partial
    stand_in.served.clear()
    stand_in.flowing.set()
    with running(tmp_path / "data", stand_in) as (_, client):
        found = until(client, made, lambda found: found["status"] not in ("starting", "processing"))
    assert found["output"] == f"It weighs {2 * SIZE}."
    assert stand_in.served["somebody/free/model.safetensors"] < SIZE


def test_over_http_a_refusal_says_what_to_do(tmp_path, stand_in):
    with running(tmp_path / "data", stand_in, "--offline") as (_, client):
        refused = client.post("models/ada/conditional/predictions", json={"input": {}})
        assert refused.status_code == 403
        assert refused.json()["title"] == "Licence not accepted"
        assert "app.py pull ada/conditional --accept-licence" in refused.json()["detail"]
        refused = client.post("models/ada/free/predictions", json={"input": {}})
        assert refused.status_code == 422
        assert "somebody/free must be downloaded" in refused.json()["detail"]
        assert "app.py pull ada/free" in refused.json()["detail"]
