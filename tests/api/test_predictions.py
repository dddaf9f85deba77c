from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor

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


@pytest.mark.parametrize("reference", ["latest", "0" * 64, "local/none", "local/echo:latest", ""])
def test_a_version_that_does_not_exist_is_a_422(http, reference):
    response = http.post("predictions", json={"version": reference, "input": {"text": "hi"}})
    assert response.status_code == 422
    assert response.json()["title"] == "Invalid version or not permitted"


def test_a_version_of_another_model_is_a_422(http):
    version = http.get("models/local/echo").json()["latest_version"]["id"]
    body = {"version": f"local/counts:{version}", "input": {"text": "hi"}}
    assert http.post("predictions", json=body).status_code == 422


def test_an_unknown_model_is_a_404(http):
    response = http.post("models/local/none/predictions", json={"input": {}})
    assert response.status_code == 404
    assert "local/none" in response.json()["detail"]


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        ("fails-midway", {}),
        ("fails-in-setup", {}),
        ("exits", {}),
        ("wrong-type", {"kind": "object"}),
    ],
)
def test_a_model_that_fails_is_no_error_of_http(http, model, inputs):
    prediction = http.run(f"local/{model}", inputs)
    assert prediction["status"] == "failed"
    assert prediction["error"] and isinstance(prediction["error"], str)
    assert prediction["completed_at"]


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


# --- what is refused, and how

BAD_BODIES = [
    (b"{", 400, None, None),
    (b"", 400, None, None),
    (b"\xff", 400, None, None),
    (b'{"input": {"text": "\xff"}}', 400, None, None),
    (b'{"input": {"text": "\\ud800"}}', 400, None, None),
    (b'{"input": {"text":' + b"[" * 100_000, 400, None, None),
    (b"[]", 422, "invalid_type", ""),
    (b"null", 422, "invalid_type", ""),
    (b"{}", 422, "required", ""),
    (b'{"input": null}', 422, "invalid_type", "input"),
    (b'{"input": []}', 422, "invalid_type", "input"),
    (b'{"input": {}, "extra": 1}', 422, "additional_property_not_allowed", ""),
    (b'{"input": {}, "webhook": 5}', 422, "invalid_type", "webhook"),
    (b'{"input": {}, "webhook_events_filter": ["x"]}', 422, "enum", "webhook_events_filter.0"),
    (b'{"input": {}, "version": "x"}', 422, "additional_property_not_allowed", ""),
]


@pytest.mark.parametrize(("body", "status", "kind", "field"), BAD_BODIES)
def test_a_bad_body_is_refused_with_a_problem_document(http, body, status, kind, field):
    response = http.post("models/local/echo/predictions", content=body)
    problem = response.json()
    assert response.status_code == problem["status"] == status, problem
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["title"] and problem["detail"]
    if kind:
        (invalid,) = problem["invalid_fields"]
        assert (invalid["type"], invalid["field"]) == (kind, field)
        assert invalid["description"]
        assert problem["detail"] == f"- {field or 'body'}: {invalid['description']}\n"


def test_all_problems_of_an_input_are_reported_at_once(http):
    response = http.post("models/local/echo/predictions", json={"input": {"txet": "a", "b": 1}})
    problem = response.json()
    assert response.status_code == 422
    assert problem["title"] == "Input validation failed"
    kinds = [each["type"] for each in problem["invalid_fields"]]
    assert sorted(kinds) == ["additional_property_not_allowed"] * 2 + ["required"]
    assert {each["field"] for each in problem["invalid_fields"]} == {"input"}
    assert len(problem["detail"].splitlines()) == 3
    assert "- input: text is required\n" in problem["detail"]


def test_every_kind_of_problem_has_its_name(http):
    given = {"steps": 51, "strength": -1, "size": "huge", "upscale": "no", "words": ["a", 1]}
    problem = http.post("models/local/every-input/predictions", json={"input": given}).json()
    assert {each["field"]: each["type"] for each in problem["invalid_fields"]} == {
        "input": "required",
        "input.steps": "number_lte",
        "input.strength": "number_gte",
        "input.size": "enum",
        "input.upscale": "invalid_type",
        "input.words.1": "invalid_type",
    }


def test_a_secret_is_never_shown(http):
    prediction = http.run("local/every-input", {"prompt": "a", "token": "hush"})
    assert prediction["output"]["token"] == "a secret of 4 characters"
    assert "hush" not in http.get(f"predictions/{prediction['id']}").text


def test_an_input_of_the_wrong_type_is_named_by_its_path(http):
    response = http.post("models/local/echo/predictions", json={"input": {"text": {}}})
    assert response.status_code == 422
    assert response.json()["invalid_fields"][0]["field"] == "input.text"


def test_a_body_without_end_is_cut_off(server):
    announced = socket.create_connection(server.socket.getsockname())
    head = "POST /v1/predictions HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
    with announced:
        announced.sendall(head.encode())
        assert announced.recv(100).startswith(b"HTTP/1.1 413")


def test_a_body_of_unknown_length_is_cut_off_as_well(http):
    def body():
        for _ in range(33):
            yield b" " * 1_000_000

    response = http.post("predictions", content=body())
    assert response.status_code == 413
    assert "32 MB" in response.json()["detail"]


def test_ten_megabytes_of_data_uri_are_not_too_much(http):
    text = "data:text/plain;base64," + base64.b64encode(bytes(7_500_000)).decode()
    assert http.run("local/echo", {"text": text})["output"] == text


# --- get, list, cancel


@pytest.mark.parametrize("call", ["GET predictions/none", "POST predictions/none/cancel"])
def test_an_unknown_prediction_is_a_404(http, call):
    response = http.request(*call.split())
    assert response.status_code == 404
    assert response.json()["detail"] == "Prediction 'none' does not exist."


def test_cancel_shows_at_once_and_needs_no_body(http):
    running = http.until(http.create("local/never-ends", {}), "processing")
    # Node's client announces JSON here and sends nothing.
    response = http.post(running["urls"]["cancel"], headers={"Content-Type": "application/json"})
    canceled = response.json()
    assert response.status_code == 200
    assert canceled["status"] == "canceled"
    assert canceled["completed_at"] and canceled["metrics"]["total_time"] > 0
    assert http.post(running["urls"]["cancel"]).json() == canceled
    assert http.get(running["urls"]["get"]).json() == canceled


def test_cancel_leaves_what_has_ended(http):
    ended = http.run("local/echo", {"text": "a"})
    response = http.post(ended["urls"]["cancel"])
    assert (response.status_code, response.json()) == (200, ended)


def test_a_prediction_goes_on_when_the_waiting_client_leaves(http, server):
    body = json.dumps({"input": {"text": "left behind"}})
    head = "POST /v1/models/local/echo/predictions HTTP/1.1\r\nHost: a\r\nPrefer: wait\r\n"
    head += f"Content-Length: {len(body)}"
    with socket.create_connection(server.socket.getsockname()) as leaving:
        leaving.sendall(f"{head}\r\n\r\n{body}".encode())
    found: list[dict] = []
    while not found:
        newest = http.get("predictions").json()["results"][:20]
        found = [each for each in newest if each["input"] == {"text": "left behind"}]
    assert http.until(found[0])["status"] == "succeeded"


@pytest.fixture(scope="module")
def many(http) -> list[str]:
    """The ids of 250 predictions, oldest first."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: http.run("local/echo", {"text": str(n)}), range(250)))
    return [each["id"] for each in sorted(made, key=lambda each: (each["created_at"], each["id"]))]


def test_a_list_is_walked_to_its_end_and_back_while_new_ones_arrive(http, many):
    first = http.get("predictions").json()
    assert first["previous"] is None
    assert [each["id"] for each in first["results"]] == many[:-101:-1]
    http.run("local/echo", {"text": "newer"})
    second = http.get(first["next"]).json()
    third = http.get(second["next"]).json()
    assert [each["id"] for each in second["results"]] == many[-101:-201:-1]
    assert [each["id"] for each in third["results"]][:50] == many[-201::-1]
    assert http.get(third["previous"]).json()["results"] == second["results"]
    assert http.get(second["previous"]).json()["results"] == first["results"]


def test_a_list_says_where_it_ends(http, many):
    page, seen = http.get("predictions").json(), 0
    while True:
        seen += len(page["results"])
        if page["next"] is None:
            break
        page = http.get(page["next"]).json()
    assert seen >= 250


def test_filters_stay_on_every_page(http, many):
    oldest = http.get(f"predictions/{many[0]}").json()["created_at"]
    page = http.get("predictions", params={"created_after": oldest, "source": "api"}).json()
    found = []
    while True:
        found += [each["id"] for each in page["results"]]
        if page["next"] is None:
            break
        assert "created_after=" in page["next"] and "source=api" in page["next"]
        page = http.get(page["next"]).json()
    assert found[-1] == many[0], "created_after includes its own moment"
    before = http.get("predictions", params={"created_before": oldest}).json()["results"]
    assert many[0] not in [each["id"] for each in before]
    assert http.get("predictions", params={"source": "web"}).json()["results"] == []


@pytest.mark.parametrize(
    "moment",
    [
        "2100-01-01T00:00:00Z",
        "2100-01-01T00:00:00.000001Z",
        "2100-01-01T01:00:00+01:00",
        "2100-01-01 10:00",
        "2100-01-01",
    ],
)
def test_moments_may_be_written_in_any_iso_form(http, moment):
    assert http.get(f"predictions?created_after={moment}").json()["results"] == []


@pytest.mark.parametrize(
    "query",
    ["cursor=x", "cursor=WyJub3BlIiwxLCIiXQ", "cursor=%C3%A4", "created_after=soon", "source=x"],
)
def test_a_query_that_makes_no_sense_is_a_400(http, query):
    response = http.get(f"predictions?{query}")
    assert response.status_code == 400
    assert response.json()["detail"]


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
