"""What nobody should send: no answer is a fault of ours, and the server goes on."""

from __future__ import annotations

import json
import random
import socket
import time

import httpx
import pytest

from predictions import in_time

JUNK = [None, True, 0, -1, 1e308, "", "\u0000", "x" * 3000, [], {}, [[]], {"a": {"b": []}}, "💥"]
PATHS = [
    "predictions", "models/local/echo/predictions", "deployments", "models", "files",
    "predictions/x/cancel", "search?query=%00", "predictions?cursor=%ff", "collections/../x",
    "models/local/echo/versions/%2e%2e", "streams/x.y", "outputs/a/b", "files/%00/download",
    "predictions?created_after=-1", "openapi.json?a=%%%",
]  # fmt: skip
KEYS = ["input", "version", "webhook", "webhook_events_filter", "stream", "name", "hardware"]
FORM = "multipart/form-data"
TYPES = ["application/json", "", FORM, f"{FORM}; boundary=", f"{FORM}; boundary=x", "\xff"]


def body(rng):
    """JSON that is nearly right, JSON that is not, or no JSON."""
    told = {rng.choice(KEYS): rng.choice(JUNK) for _ in range(rng.randint(0, 5))}
    if rng.random() < 0.4:
        told["input"] = {rng.choice(["text", "n", "", "\u2028"]): rng.choice(JUNK)}
    text = json.dumps(told).encode()
    turn = rng.random()
    if turn < 0.15:
        return text[: rng.randint(0, len(text))]
    if turn < 0.3:
        return bytes(rng.randrange(256) for _ in range(rng.randint(0, 60)))
    if turn < 0.35:
        return b"[" * 5000
    return text


def headers(rng):
    return {
        "Content-Type": rng.choice(TYPES),
        "Prefer": rng.choice(["", "wait=0", "wait=-1", "wait=;", "wait=" + "9" * 40]),
        "Cancel-After": rng.choice(["5s", "-1", "1e9h", "", "5"]),
        "Authorization": rng.choice(["", "Bearer", "Basic x", "Token " + "t" * 500]),
        "X-Forwarded-Proto": rng.choice(["", "javascript", "https,http"]),
        "Last-Event-ID": rng.choice(["", "1:1", "x", "9" * 30 + ":1"]),
    }  # fmt: skip


@pytest.mark.parametrize(
    "count", [1000, pytest.param(10_000, marks=[pytest.mark.heavy, pytest.mark.timeout(600)])]
)
def test_malformed_requests_are_refused_and_never_a_fault(http, count):
    rng = random.Random(count)
    for _ in range(count):
        method = rng.choice(["POST", "POST", "POST", "GET", "PATCH", "DELETE", "QUERY", "PUT"])
        path, content = rng.choice(PATHS), body(rng)
        sent = {name: value for name, value in headers(rng).items() if value}
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        try:
            answer = http.request(method, path, content=content, headers=encoded)
        except (ValueError, httpx.LocalProtocolError):  # no client puts that on the wire
            continue
        assert answer.status_code < 500, (method, path, content, sent, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", answer.text
            assert answer.json()["detail"]
    assert http.run("local/echo", {"text": "still here"})["output"] == "still here"


def raw(server, sent: bytes) -> bytes:
    """What comes back on a bare connection until the server closes it."""
    host, port = server.socket.getsockname()
    with socket.create_connection((host, port), timeout=60) as connection:
        connection.sendall(sent)
        received = b""
        while chunk := connection.recv(4096):
            received += chunk
    return received


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /v1/account HTTP/9.9\r\n\r\n",
        b"POST /v1/predictions HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/predictions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v1/account HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_no_fault(http, server, sent):
    received = raw(server, sent + b"GET /v1/x HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert not received.startswith(b"HTTP/1.1 5"), received
    assert http.get("account").status_code == 200


def test_an_upload_that_trickles_in_is_given_up(http, server, monkeypatch):
    monkeypatch.setattr(in_time, "PATIENCE", 0.3)
    monkeypatch.setattr(in_time, "SLOWEST", 10**9)
    host, port = server.socket.getsockname()
    head = (
        "POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="content"; filename="a"\r\n\r\n'
    )
    with socket.create_connection((host, port), timeout=60) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408"), answer
    assert b"Send at least" in answer or b"application/problem+json" in answer
    assert not [each for each in server.service.files.root.glob("uploads/*") if _is_new(each)]


def _is_new(path) -> bool:
    return time.time() - path.stat().st_mtime < 1 and not any(path.iterdir())
