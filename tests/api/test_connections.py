"""Callers that take for ever to say what they want, and what that does to others."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from http.client import HTTPResponse

import pytest

from api import connections

HEAD = b"GET /v1/account HTTP/1.1\r\nHost: here\r\n"


@pytest.fixture
def connect(server):
    with contextlib.ExitStack() as opened:

        def connect():
            address = server.socket.getsockname()
            connection = opened.enter_context(socket.create_connection(address, timeout=30))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection

        yield connect


@pytest.mark.parametrize("said", [b"", b"GET", HEAD], ids=["nothing", "half a line", "no end"])
def test_who_does_not_say_what_it_wants_is_left(connect, monkeypatch, said):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.1)
    connection = connect()
    connection.sendall(said)
    assert connection.recv(1) == b""


def test_a_head_that_trickles_on_and_on_is_left(connect, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.1)
    connection = connect()
    connection.sendall(HEAD)
    with pytest.raises(ConnectionError):
        while True:
            connection.sendall(b"X-More: to come\r\n")


def test_a_second_request_is_to_be_said_as_soon(connect, monkeypatch):
    connection = connect()
    connection.sendall(HEAD + b"\r\n")
    with HTTPResponse(connection) as answer:
        answer.begin()
        assert answer.status == 200 and answer.read()
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.1)
    connection.sendall(HEAD)
    assert connection.recv(1) == b""


@pytest.mark.parametrize("next_request", [b"", b"GET"], ids=["alone", "before another"])
def test_who_has_said_it_may_wait_for_its_answer(connect, monkeypatch, next_request):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.05)
    body = b'{"input": {"n": 10, "delay": 0.05}}'
    connection = connect()
    connection.sendall(
        b"POST /v1/models/local/counts/predictions HTTP/1.1\r\nHost: here\r\nPrefer: wait\r\n"
        b"Content-Length: %d\r\n\r\n%s%s" % (len(body), body, next_request)
    )
    with HTTPResponse(connection) as answer:
        answer.begin()
        assert b'"succeeded"' in answer.read()


def test_more_files_may_be_open_than_a_process_begins_with():
    program = """
import resource
from api.connections import allow_many
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, most), most))
allow_many()
now, still = resource.getrlimit(resource.RLIMIT_NOFILE)
assert still == most and now == (most if 0 < most < 65_536 else 65_536), (now, most)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
