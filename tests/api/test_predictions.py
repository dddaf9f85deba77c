"""Creating predictions, with and without waiting."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_a_held_create_answers_with_the_whole_prediction(http, server):
    response = http.post(
        "models/local/echo/predictions", json={"input": {"text": "hi"}}, headers={"Prefer": "wait"}
    )
    prediction = response.json()
    own = f"{server.url}/v1/predictions/{prediction['id']}"
    assert response.status_code == 201
    assert response.headers["location"] == own
    assert response.headers["preference-applied"] == "wait"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "application/json"
    assert prediction["status"] == "succeeded"
    assert prediction["model"] == "local/echo"
    assert re.fullmatch("[0-9a-f]{64}", prediction["version"])
    assert prediction["input"] == {"text": "hi"}
    assert prediction["output"] == "hi"
    assert prediction["error"] is None
    assert isinstance(prediction["logs"], str)
    assert prediction["source"] == "api"
    assert prediction["data_removed"] is False
    assert 0 <= prediction["metrics"]["predict_time"] <= prediction["metrics"]["total_time"]
    for moment in ("created_at", "started_at", "completed_at"):
        assert TIME.fullmatch(prediction[moment])
    assert prediction["urls"]["get"] == own
    assert prediction["urls"]["cancel"] == own + "/cancel"
    assert all(isinstance(each, str) for each in prediction["urls"].values())
    for absent in ("deadline", "deployment", "webhook", "webhook_events_filter"):
        assert absent not in prediction
    assert http.get(own).json() == prediction


def test_an_asynchronous_create_says_starting(http):
    response = http.post("models/local/counts/predictions", json={"input": {"n": 3}})
    prediction = response.json()
    assert response.status_code == 201
    assert "preference-applied" not in response.headers
    assert prediction["status"] == "starting"
    assert prediction["output"] is None
    assert prediction["started_at"] is prediction["completed_at"] is None
    ended = http.until(prediction)
    assert ended["status"] == "succeeded"
    assert len(ended["output"]) == 3


def test_a_wait_that_runs_out_says_starting_though_the_model_runs(http):
    response = http.post(
        "models/local/never-ends/predictions", json={"input": {}}, headers={"Prefer": "wait=1"}
    )
    prediction = response.json()
    assert response.status_code == 202
    assert response.headers["preference-applied"] == "wait"
    assert (prediction["status"], prediction["output"]) == ("starting", None)
    assert http.until(prediction, "processing")["status"] == "processing"
    http.post(prediction["urls"]["cancel"])


def test_every_form_of_version_names_the_same_thing(http):
    version = http.get("models/local/echo").json()["latest_version"]["id"]
    for reference in (version, f"local/echo:{version}", "local/echo"):
        body = {"version": reference, "input": {"text": "hi"}}
        prediction = http.post("predictions", json=body, headers={"Prefer": "wait"}).json()
        assert (prediction["version"], prediction["output"]) == (version, "hi")


def test_a_version_of_another_model_is_a_422(http):
    version = http.get("models/local/echo").json()["latest_version"]["id"]
    body = {"version": f"local/counts:{version}", "input": {"text": "hi"}}
    assert http.post("predictions", json=body).status_code == 422


def test_a_webhook_is_kept_as_given(http):
    given = {"webhook": "http://127.0.0.1:9/hook?a=%20b", "webhook_events_filter": ["completed"]}
    prediction = http.create("local/echo", {"text": "a"}, "wait", **given)
    assert given.items() <= http.get(f"predictions/{prediction['id']}").json().items()


def test_the_old_form_of_a_webhook_is_one_for_the_end(http):
    prediction = http.create("local/echo", {"text": "a"}, webhook_completed="http://127.0.0.1:9/")
    assert prediction["webhook"] == "http://127.0.0.1:9/"
    assert prediction["webhook_events_filter"] == ["completed"]


def test_the_old_form_beside_the_new_one_says_the_same_or_is_refused(http):
    both = {"input": {"text": "a"}, "webhook": "http://127.0.0.1:9/a"}
    for old, status in (("http://127.0.0.1:9/a", 201), ("http://127.0.0.1:9/b", 422)):
        body = {**both, "webhook_completed": old}
        assert http.post("models/local/echo/predictions", json=body).status_code == status


@pytest.mark.parametrize(
    "url", ["", "hook", "ftp://a/b", "http://", "http://a:b/", "http://a/ b", "http://[/", "//a/b"]
)
def test_a_webhook_that_is_no_address_is_refused(http, url):
    body = {"input": {"text": "a"}, "webhook": url}
    response = http.post("models/local/echo/predictions", json=body)
    assert response.status_code == 422
    assert response.json()["invalid_fields"][0]["field"] == "webhook"


def test_a_deadline_is_shown(http):
    response = http.post(
        "models/local/never-ends/predictions", json={"input": {}}, headers={"Cancel-After": "5m"}
    )
    assert TIME.fullmatch(response.json()["deadline"])
    canceled = http.post(response.json()["urls"]["cancel"]).json()
    assert canceled["deadline"] == response.json()["deadline"]


async def test_sixteen_connections_are_all_served(server):
    async with httpx.AsyncClient(base_url=f"{server.url}/v1/", timeout=60) as client:

        async def run(number: int) -> str:
            response = await client.post(
                "models/local/no-op/predictions",
                json={"input": {"text": str(number)}},
                headers={"Prefer": "wait"},
            )
            return response.json()["output"]

        assert await asyncio.gather(*map(run, range(160))) == [str(n) for n in range(160)]
