"""The command line and the whole app as a process: started, refused, killed, started again."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "tests" / "models"


def output_of(address, model, **inputs):
    """What a model of `local` gives, once it has run."""
    made = httpx.post(
        f"{address}/v1/models/local/{model}/predictions",
        json={"input": inputs},
        headers={"Prefer": "wait"},
        timeout=60,
    )
    return made.json()["output"]


@contextlib.contextmanager
def running(data, *options, environment=None, before=()):
    """The app as a process; gives the process and its address."""
    with open(data / "stderr.txt", "a") as stderr:
        process = subprocess.Popen(
            [*before, sys.executable, "app.py", "--port", "0", "--data", data / "data", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, **(environment or {})},
        )
    try:
        for line in process.stdout:
            if found := re.search(r"http://\S+", line):
                yield process, found[0]
                break
        else:
            raise AssertionError((data / "stderr.txt").read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()


def refused(*arguments, environment=None):
    """What the app says on stderr when it will not start."""
    done = subprocess.run(
        [sys.executable, "app.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def test_a_port_in_use_is_one_clear_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused("--port", port, "--data", str(tmp_path))
    assert f"127.0.0.1:{port}" in said and "--port" in said


def test_a_data_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    said = refused("--port", "0", "--data", str(tmp_path / "file" / "data"))
    assert "cannot be written" in said and "--data" in said


def test_nonsense_options_are_one_clear_line(tmp_path):
    assert "'many'" in refused("--port", "many")
    assert "'many'" in refused(environment={"ATELIER_PORT": "many"})
    assert "--spares is '-1'" in refused("--spares", "-1")
    said = refused("--port", "0", "--data", str(tmp_path), "--tokens", str(tmp_path / "none"))
    assert "tokens file" in said


def test_a_broken_model_is_one_line_and_the_rest_runs_and_a_second_app_is_refused(tmp_path):
    with running(tmp_path, "--models", str(ROOT / "tests" / "broken_models")) as (_, address):
        reasons = {
            "both-names": "cog.yaml has both `run:` and `predict:`",
            "no-file": "predict: elsewhere.py does not exist",
            "bad-requirement": "r.txt, line 2: 'numpy==' names no package",
            "raises-on-import": "predict.py, line 1: RuntimeError: no import for you",
            "syntax-error": "predict.py, line 2",
            "unknown-key": "unknown key predictor",
            "untyped": "'text' has no type",
            "wrong-types": "environment must be a list of NAME=value",
        }
        # What is slow to import is told once more when it has been imported.
        said = []
        while len(said) < len(reasons):
            time.sleep(0.01)
            said = [*filter(is_told, (tmp_path / "stderr.txt").read_text().splitlines())]
        for name, reason in reasons.items():
            (line,) = [each for each in said if f"local/{name} " in each]
            assert reason in line
        assert len(said) == len(reasons), said
        assert output_of(address, "fine", text="x") == "x"
        said = refused("--port", "0", "--data", str(tmp_path / "data"))
        assert "in use by another Atelier" in said


def test_models_that_are_slow_to_import_keep_no_start_waiting(tmp_path):
    gate = tmp_path / "gate"
    for name in ("one", "two", "three"):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "cog.yaml").write_text("predict: predict.py:run")
        (folder / "predict.py").write_text(
            f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.01)\n"
            "def run(text: str) -> str:\n    return text\n"
        )
    with running(tmp_path, "--models", str(tmp_path / "models")) as (_, address):
        assert httpx.get(address, timeout=60).status_code == 200
        refused = httpx.get(f"{address}/v1/models/local/one")
        assert refused.status_code == 404 and "being imported" in refused.json()["detail"]
        gate.touch()
        assert output_of(address, "one", text="x") == "x"
        while httpx.get(f"{address}/v1/models/local/two").status_code != 200:
            time.sleep(0.01)


def test_an_interrupt_ends_a_start_that_reads_models(tmp_path):
    folder = tmp_path / "models" / "endless"
    folder.mkdir(parents=True)
    (folder / "cog.yaml").write_text("predict: predict.py:run")
    (folder / "predict.py").write_text(
        f"import time\nopen({str(tmp_path / 'imported')!r}, 'w')\nwhile True:\n    time.sleep(1)\n"
    )
    options = ["--port", "0", "--data", str(tmp_path / "data"), "--models", str(folder.parent)]
    with subprocess.Popen(
        [sys.executable, "app.py", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        while not (tmp_path / "imported").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT and not process.stdout.read()


def is_told(line):
    return "its code is being imported" not in line


def test_the_parent_never_imports_what_only_models_need(tmp_path):
    """Asked of the living process: which shared libraries it has mapped."""
    if not Path("/proc").exists():
        pytest.skip("needs /proc")
    with running(tmp_path, "--models", str(MODELS)) as (process, address):
        assert httpx.get(address, timeout=60).status_code == 200
        mapped = Path(f"/proc/{process.pid}/maps").read_text()
        for library in ("libtorch", "ctranslate2", "onnxruntime", "tokenizers"):
            assert library not in mapped


def test_predictions_survive_a_kill_of_the_whole_app(tmp_path):
    with running(tmp_path, "--models", str(MODELS)) as (process, address):
        with httpx.Client(base_url=address, timeout=60) as client:

            def create(model, inputs):
                path = f"/v1/models/local/{model}/predictions"
                return client.post(path, json={"input": inputs}).json()["id"]

            busy = create("never-ends", {})
            while client.get(f"/v1/predictions/{busy}").json()["status"] != "processing":
                time.sleep(0.05)
            queued = [create("never-ends", {}) for _ in range(3)]
            echoes = [create("echo", {"text": str(n)}) for n in range(20)]
        process.kill()
        process.wait()
    with (
        running(tmp_path, "--models", str(MODELS)) as (_, address),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        for number, prediction in enumerate(echoes):
            while (found := client.get(f"/v1/predictions/{prediction}").json())["status"] in (
                "starting",
                "processing",
            ):
                time.sleep(0.05)
            # One that was running at the moment of the kill has failed and says so.
            assert found["output"] == str(number) or "killed" in found["error"]
        assert "killed" in client.get(f"/v1/predictions/{busy}").json()["error"]
        while client.get(f"/v1/predictions/{queued[0]}").json()["status"] != "processing":
            time.sleep(0.05)
        for prediction in queued:
            canceled = client.post(f"/v1/predictions/{prediction}/cancel").json()
            assert canceled["status"] == "canceled"


def test_what_the_page_was_given_goes_with_the_start_after_a_kill(tmp_path, monkeypatch):
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    with running(tmp_path) as (process, address):
        upload = {"files": ("a.txt", b"what a visitor chose")}
        (given,) = httpx.post(f"{address}/gradio_api/upload", files=upload, timeout=60).json()
        assert Path(given).is_relative_to(tmp_path / "data" / "page") and Path(given).is_file()
        process.kill()
        process.wait()
    with running(tmp_path):
        assert not Path(given).exists()


def test_with_a_tokens_file_only_its_tokens_are_let_in(tmp_path):
    (tmp_path / "tokens").write_text("# the team\nsesame\n")
    tokens = {"ATELIER_TOKENS": str(tmp_path / "tokens")}
    with running(tmp_path, environment=tokens) as (_, address):
        path = f"{address}/v1/account"
        assert httpx.get(path).status_code == 401
        assert httpx.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert httpx.get(path, headers={"Authorization": "Bearer sesame"}).status_code == 200


def test_models_know_that_they_are_offline_and_where_weights_live(tmp_path):
    folder = tmp_path / "models" / "tells"
    folder.mkdir(parents=True)
    (folder / "cog.yaml").write_text("predict: predict.py:tell")
    (folder / "predict.py").write_text(
        "import os\ndef tell(name: str) -> str:\n    return os.environ[name]\n"
    )
    with running(tmp_path, "--offline", "--models", str(folder.parent)) as (_, address):
        for name, value in (
            ("HF_HUB_OFFLINE", "1"),
            ("HF_HOME", os.environ.get("HF_HOME", str(tmp_path / "data" / "huggingface"))),
        ):
            assert output_of(address, "tells", name=name) == value


def test_children_die_with_a_killed_parent(tmp_path):
    if sys.platform != "linux":
        pytest.skip("elsewhere they end when they next listen")
    with running(tmp_path, "--models", str(MODELS)) as (process, address):
        path = f"{address}/v1/models/local/never-ends/predictions"
        prediction = httpx.post(path, json={"input": {}}, timeout=60).json()
        while httpx.get(prediction["urls"]["get"]).json()["status"] != "processing":
            time.sleep(0.05)
        children = _children(process.pid)
        assert children
        process.kill()
        process.wait()
        while any(Path(f"/proc/{child}").exists() for child in children):
            time.sleep(0.05)


def _children(pid):
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


@pytest.mark.parametrize("sent", [["SIGTERM"], ["SIGHUP", "SIGINT", "SIGINT"]])
def test_a_signal_ends_what_runs_with_a_reason(tmp_path, sent):
    with running(tmp_path, "--models", str(MODELS)) as (process, address):
        made = httpx.post(
            f"{address}/v1/models/local/never-ends/predictions", json={"input": {}}, timeout=60
        ).json()
        shown = f"{address}/v1/predictions/{made['id']}"
        while httpx.get(shown).json()["status"] != "processing":
            time.sleep(0.05)
        for name in sent:
            process.send_signal(signal.Signals[name])
        assert process.wait(30) == 0
    assert not (tmp_path / "stderr.txt").read_text()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "atelier.db")) as database:
        ((status, error),) = database.execute("SELECT status, error FROM predictions")
    assert status == "failed" and "was stopped" in error


@pytest.mark.heavy
def test_an_app_whose_terminal_is_gone_runs_on_under_nohup(tmp_path):
    with running(tmp_path, before=["nohup"]) as (process, address):
        process.send_signal(signal.SIGHUP)
        assert httpx.get(f"{address}/v1/models", timeout=60).status_code == 200


@pytest.mark.heavy
def test_an_app_that_is_started_without_standard_streams_serves_all_the_same(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "app.py", "--port", port, "--data", str(tmp_path)]
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command]
    with subprocess.Popen(closed, cwd=ROOT) as process:
        while not (answer := _answer(f"http://127.0.0.1:{port}/v1/account")):
            assert process.poll() is None
            time.sleep(0.05)
        streams = [os.readlink(f"/proc/{process.pid}/fd/{n}") for n in range(3)]
        process.terminate()
        assert process.wait(30) == 0
    assert answer.status_code == 200 and set(streams) == {os.devnull}


def _answer(address):
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(address, timeout=60)
