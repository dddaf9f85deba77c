"""Predictions that are there: read, listed, canceled."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.conftest import Http, Server


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


def test_who_is_held_when_the_app_stops_is_told_what_waits_for_it(tmp_path, own_catalog):
    def held():
        with Http(base_url=f"{stopping.url}/v1/", timeout=70) as client:
            body, prefer = {"input": {}}, {"Prefer": "wait"}
            return client.post("models/local/never-ends/predictions", json=body, headers=prefer)

    with ThreadPoolExecutor(1) as pool:
        with Server(tmp_path, own_catalog()) as stopping:
            answer = pool.submit(held)
            with Http(base_url=f"{stopping.url}/v1/") as client:
                while not (listed := client.get("predictions").json()["results"]):
                    pass
        assert answer.result().status_code == 202
        assert answer.result().json()["id"] == listed[0]["id"]
        assert answer.result().json()["status"] == "starting"


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
