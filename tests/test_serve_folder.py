"""`app.py serve` and `app.py init` as processes: one model over the routes of Cog's own server."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.receiver import receiving
from tests.test_app import refused

ROOT = Path(__file__).resolve().parent.parent

PREDICT = """
import os
import time

import cog
from cog import BasePredictor, Input, Path

class Predictor(BasePredictor):
    def setup(self):
        print("setting up")
        if os.path.exists("fail"):
            raise ValueError("no weights")
        self.folder = os.environ["FOLDER"]

    def healthcheck(self) -> bool:
        return not os.path.exists(self.folder + "/ill")

    def predict(
        self,
        n: int = Input(default=2, le=5),
        wait_for: str = "",
        fails: bool = False,
        note: str | None = None,
        token: cog.Secret = None,
        picture: Path = None,
    ) -> cog.ConcatenateIterator[str]:
        scope = cog.current_scope()
        scope.record_metric("tokens.made", n)
        print("context", scope.context, "token", token and token.get_secret_value())
        for number in range(n):
            yield f"{number} "
        while wait_for and not os.path.exists(wait_for):
            time.sleep(0.01)
        if fails:
            raise ValueError("boom")
        if picture:
            yield picture.read_text()
"""


def said(folder):
    """Where the server's errors go: what lies in the folder is the model's."""
    return folder.with_suffix(".stderr")


@contextlib.contextmanager
def serving(folder, *options):
    command = [sys.executable, "app.py", "serve", str(folder), "--port", "0", *options]
    with open(said(folder), "a") as stderr:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    try:
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, said(folder).read_text()
        with httpx.Client(base_url=found[0], timeout=60) as client:
            yield client, process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    write(folder, PREDICT)
    return folder


def write(folder, predict):
    (folder / "cog.yaml").write_text(
        f"predict: predict.py:Predictor\nenvironment: [FOLDER={folder}]\n"
    )
    (folder / "predict.py").write_text(predict)


@pytest.fixture(scope="module")
def client(folder):
    with serving(folder) as (client, _):
        yield client


def until(condition):
    while not (found := condition()):
        time.sleep(0.02)
    return found


def health(client, *statuses):
    """The first health that has one of `statuses`."""

    def look():
        found = client.get("/health-check").json()
        return found if found["status"] in statuses else None

    return until(look)


def test_the_index_names_the_routes_and_the_document_is_the_models(client):
    index = client.get("/").json()
    assert index["predictions_url"] == "/predictions" and index["cog_version"]
    document = client.get(index["openapi_url"]).json()
    assert document["components"]["schemas"]["Input"]["properties"]["n"]["maximum"] == 5


def test_health_tells_of_the_set_up(client):
    found = health(client, "READY")
    assert found["setup"]["status"] == "succeeded" and found["setup"]["completed_at"]
    assert found["setup"]["logs"] == "setting up\n"
    assert found["version"]["python"].startswith("3.")


def test_a_prediction_is_answered_with_its_output_logs_and_metrics(client):
    made = client.post("/predictions", json={"input": {"n": 3}, "context": {"who": "ada"}})
    assert made.status_code == 200
    body = made.json()
    assert body["output"] == ["0 ", "1 ", "2 "] and body["status"] == "succeeded"
    assert "context {'who': 'ada'}" in body["logs"]
    assert body["metrics"]["tokens"] == {"made": 3} and body["metrics"]["predict_time"] > 0
    assert set(body) == {"id", "status", "output", "logs", "metrics"}


@pytest.mark.parametrize("sent", [{"json": {}}, {"content": b""}])
def test_a_body_may_be_empty(client, sent):
    assert client.post("/predictions", **sent).json()["output"] == ["0 ", "1 "]


def test_a_failure_keeps_its_output_and_logs(client):
    body = client.post("/predictions", json={"input": {"fails": True}}).json()
    assert (body["status"], body["error"], body["output"]) == ("failed", "boom", ["0 ", "1 "])
    assert "context" in body["logs"] and "Traceback" in body["logs"]


def test_files_go_in_and_secrets_never_come_out(client, folder):
    picture = "data:text/plain;base64," + base64.b64encode(b"from a file").decode()
    inputs = {"n": 0, "picture": picture, "token": "s3cr3t-token"}
    body = client.post("/predictions", json={"input": inputs}).json()
    assert body["output"] == ["from a file"]
    assert "token **********" in body["logs"]
    for path in (folder / ".cog").rglob("*"):
        assert path.is_dir() or b"s3cr3t-token" not in path.read_bytes(), path
    assert "s3cr3t-token" not in said(folder).read_text()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"input": {"n": "3"}}, ["body", "input", "n"]),
        ({"input": {"n": 9}}, ["body", "input", "n"]),
        ({"input": {"absent": 1}}, ["body", "input", "absent"]),
        ({"input": {"picture": "/etc/passwd"}}, ["body", "input", "picture"]),
        ({"input": 5}, ["body", "input"]),
        ({"webhook_events_filter": ["never"]}, ["body", "webhook_events_filter", 0]),
    ],
)
def test_what_does_not_fit_is_refused_as_cog_does(client, body, place):
    refused = client.post("/predictions", json=body)
    assert refused.status_code == 422
    (problem,) = refused.json()["detail"]
    assert problem["loc"] == place and problem["type"] == "value_error" and problem["msg"]


def test_other_nonsense_is_refused_too(client):
    assert client.post("/predictions", content=b"{").status_code == 400
    assert client.put("/predictions/one", json={"id": "two"}).status_code == 422
    assert client.get("/predictions/one").status_code == 405
    assert client.post("/predictions/nobody/cancel").status_code == 404


def test_a_put_is_one_prediction_however_often_it_is_sent(client, tmp_path):
    go_on = tmp_path / "go-on"
    body = {"input": {"n": 1, "wait_for": str(go_on)}}
    headers = {"Prefer": "respond-async"}
    first = client.put("/predictions/mine", json=body, headers=headers)
    assert (first.status_code, first.json()) == (202, {"id": "mine", "status": "starting"})
    assert client.put("/predictions/mine", json=body).status_code == 202
    again = client.post("/predictions", json={**body, "id": "mine"})
    assert again.status_code == 409
    # What comes meanwhile queues.
    waiting = client.post("/predictions", json={"input": {}}, headers=headers)
    assert waiting.status_code == 202
    assert health(client, "BUSY")["status"] == "BUSY"
    assert client.post("/predictions/mine/cancel").json() == {}
    done = client.put("/predictions/mine", json={"input": {"n": 1}})
    assert (done.status_code, done.json()["output"]) == (200, ["0 "])


def test_who_hangs_up_cancels(client, folder):
    body = {"id": "impatient", "input": {"wait_for": "never"}}
    with pytest.raises(httpx.ReadTimeout):
        client.post("/predictions", json=body, timeout=2)
    until(lambda: client.post("/predictions/impatient/cancel").status_code == 404)
    assert client.post("/predictions", json={"input": {"n": 1}}).json()["output"] == ["0 "]


def test_webhooks_are_told_under_the_callers_id(client):
    with receiving() as receiver:
        body = {
            "id": "told",
            "input": {"n": 1},
            "webhook": f"{receiver.url}/hook",
            "webhook_events_filter": ["start", "completed"],
        }
        sent = client.post("/predictions", json=body, headers={"Prefer": "respond-async"})
        assert sent.status_code == 202
        first, last = receiver.until(lambda messages: len(messages) == 2)
    assert first.prediction["id"] == last.prediction["id"] == "told"
    assert first.prediction["status"] == "processing"
    assert (last.prediction["status"], last.prediction["output"]) == ("succeeded", ["0 "])


def test_only_what_is_marked_streams(client):
    refused = client.post("/predictions", json={}, headers={"Accept": "text/event-stream"})
    assert refused.status_code == 406


def test_a_health_check_of_the_models_own_is_asked(client, folder):
    (folder / "ill").write_text("")
    found = health(client, "UNHEALTHY")
    assert "healthcheck gave False" in found["user_healthcheck_error"]
    assert client.post("/predictions", json={}).json()["status"] == "succeeded"
    (folder / "ill").unlink()
    health(client, "READY")


def test_an_edit_is_what_runs_next_and_a_broken_one_is_told(client, folder):
    """The last of those that share a server: it changes the model."""
    health(client, "READY")
    write(folder, PREDICT.replace("    def predict(", "    @cog.streaming\n    def predict("))
    events = []
    body = {"input": {"n": 2, "fails": True}}
    headers = {"Accept": "text/event-stream"}
    until(lambda: client.post("/predictions", json={}, headers=headers).status_code == 200)
    with client.stream("POST", "/predictions", json=body, headers=headers) as response:
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                events.append([value])
            elif name == "data":
                events[-1].append(json.loads(value))
    names = [name for name, _ in events]
    assert names[0] == "start" and names[-1] == "completed"
    chunks = [data for name, data in events if name == "output"]
    assert chunks == [{"chunk": "0 ", "index": 0}, {"chunk": "1 ", "index": 1}]
    metrics = [data for name, data in events if name == "metric"]
    assert {"name": "tokens.made", "value": 2, "mode": "replace"} in metrics
    logs = "".join(data["data"] for name, data in events if name == "log")
    assert "context" in logs and events[-1][1]["logs"] == logs
    assert events[-1][1]["status"] == "failed" and events[-1][1]["error"] == "boom"

    (folder / "fail").write_text("")
    write(folder, PREDICT + "\n# once more\n")
    found = health(client, "SETUP_FAILED")
    assert "ValueError: no weights" in found["setup"]["logs"]
    failed = client.post("/predictions", json={}).json()
    assert failed["status"] == "failed" and "no weights" in failed["error"]

    write(folder, "x = (")
    found = health(client, "SETUP_FAILED")
    until(lambda: "predict.py, line 1" in client.get("/health-check").json()["setup"]["logs"])
    refused = client.post("/predictions", json={})
    assert refused.status_code == 503 and "predict.py, line 1" in refused.json()["detail"]
    (folder / "fail").unlink()
    write(folder, PREDICT)
    health(client, "READY")


@pytest.fixture(scope="module")
def trainable(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "trains"
    shutil.copytree(ROOT / "tests" / "models" / "trains", folder)
    with serving(folder) as (client, _):
        yield client


def test_a_training_gives_what_its_trainer_returns_and_the_model_stays_as_it_was(trainable):
    assert trainable.get("/").json()["trainings_idempotent_url"] == "/trainings/{training_id}"
    made = trainable.post("/trainings", json={"id": "first", "input": {"word": "cats"}}).json()
    assert (made["id"], made["status"]) == ("first", "succeeded")
    assert base64.b64decode(made["output"].partition(",")[2]) == b"cats"
    assert "learning cats" in made["logs"] and made["metrics"]["loss"] == 0.5
    assert trainable.post("/predictions", json={}).json()["output"] == "I know nothing"


def test_a_training_is_refused_fails_and_is_canceled_as_a_prediction_is(trainable):
    refused = trainable.post("/trainings", json={"input": {"text": "of the other door"}})
    assert refused.status_code == 422
    assert ["body", "input", "word"] in [each["loc"] for each in refused.json()["detail"]]
    failed = trainable.put("/trainings/a", json={"input": {"word": "x", "ending": "raises"}})
    assert (failed.status_code, failed.json()["error"]) == (200, "It cannot be learnt.")
    never = {"input": {"word": "x", "ending": "never"}}
    begun = trainable.put("/trainings/b", json=never, headers={"Prefer": "respond-async"})
    assert (begun.status_code, begun.json()) == (202, {"id": "b", "status": "starting"})
    assert trainable.put("/trainings/b", json=never).status_code == 202
    assert trainable.post("/trainings/b/cancel").status_code == 200
    until(lambda: trainable.post("/trainings/b/cancel").status_code == 404)


def test_what_cannot_be_trained_has_no_trainings(client):
    assert "trainings_url" not in client.get("/").json()
    refused = client.post("/trainings", json={})
    assert refused.status_code == 404 and "no `train:`" in refused.json()["detail"]


def test_a_template_runs_at_once_and_is_never_written_over(tmp_path):
    folder = tmp_path / "mine"
    command = [sys.executable, "app.py", "init", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "serve" in done.stdout
    assert "is there already" in refused("init", str(folder))
    with serving(folder) as (client, process):
        made = client.post("/predictions", json={"input": {"name": "Ada", "times": 2}}).json()
        assert made["output"] == ["Hello, Ada!\n", "Hello, Ada!\n"], made
        assert "greeting 2 of 2" in made["logs"]
        assert "has no cog.yaml" in refused("serve", str(tmp_path))
        assert "in use by another Atelier" in refused("serve", str(folder), "--port", "0")
        assert client.post("/shutdown").status_code == 200
        assert process.wait(30) == 0


def test_a_prediction_that_was_answered_survives_a_kill(tmp_path):
    write(tmp_path, PREDICT)
    with receiving() as receiver:
        with serving(tmp_path) as (client, process):
            headers = {"Prefer": "respond-async"}
            busy = {"input": {"wait_for": "never"}}
            assert client.post("/predictions", json=busy, headers=headers).status_code == 202
            health(client, "BUSY")
            queued = {
                "id": "queued",
                "input": {"n": 1},
                "webhook": receiver.url,
                "context": {"a": "b"},
            }
            assert client.post("/predictions", json=queued, headers=headers).status_code == 202
            process.kill()
            process.wait()
        with serving(tmp_path):
            messages = receiver.until(
                lambda told: any(m.prediction["status"] == "succeeded" for m in told)
            )
    last = messages[-1].prediction
    assert (last["id"], last["output"]) == ("queued", ["0 "]) and "{'a': 'b'}" in last["logs"]
