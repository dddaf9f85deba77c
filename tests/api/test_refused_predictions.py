"""What is refused when a prediction is created, and how that is said."""

from __future__ import annotations

import base64
import socket

import pytest

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


def test_a_secret_is_never_shown(http):
    prediction = http.run("local/every-input", {"prompt": "a", "token": "hush"})
    assert prediction["output"]["token"] == "a secret of 4 characters"
    assert "hush" not in http.get(f"predictions/{prediction['id']}").text


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
