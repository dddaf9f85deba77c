from __future__ import annotations

import socket

import httpx
import pytest
from starlette.responses import PlainTextResponse

import api.app
from tests.api.conftest import Http, Server

PUBLIC = "https://models.example/atelier/"
TOKEN = "r8_" + "a" * 37


@pytest.mark.parametrize("path", ["nope", "models/a", "predictions/", "files/a/b/c", "", "v1/nope"])
def test_an_unknown_path_is_a_problem_document(http, path):
    response = http.get(path)
    assert response.status_code == response.json()["status"] == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json().keys() >= {"title", "detail", "status"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "predictions", "GET, POST, HEAD"),
        ("GET", "predictions/x/cancel", "POST"),
        ("PATCH", "files/x", "GET, DELETE, HEAD"),
        ("POST", "streams/x", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_does_not_take_is_a_405(http, method, path, allowed):
    response = http.request(method, path)
    assert response.status_code == response.json()["status"] == 405
    assert response.headers["allow"] == allowed
    assert response.headers["content-type"] == "application/problem+json"


def test_v1_may_be_said_twice_and_links_say_it_once(http, server):
    prediction = http.run("local/echo", {"text": "a"})
    again = http.get(f"{server.url}/v1/v1/predictions/{prediction['id']}").json()
    assert again == prediction
    assert "/v1/v1" not in http.get(f"{server.url}/v1/v1/predictions").text


async def test_v1_alone_is_ours_beside_a_page(server):
    application = api.app.build(server.service)
    application.mount("/", PlainTextResponse("the page"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application)) as client:
        response = await client.get("http://test/v1")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_links_name_the_host_that_was_asked(http, server):
    port = server.url.rpartition(":")[2]
    prediction = http.run("local/echo", {"text": "a"})
    shown = http.get(f"http://localhost:{port}/v1/predictions/{prediction['id']}").json()
    assert shown["urls"]["get"] == f"http://localhost:{port}/v1/predictions/{prediction['id']}"


def test_what_a_stop_cuts_off_is_a_problem_document(tmp_path, own_catalog):
    head = "POST /v1/files HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\nExpect: 100-continue\r\n"
    kind = "Content-Type: multipart/form-data; boundary=x"
    with Server(tmp_path, own_catalog()) as stopping:
        answer = socket.create_connection(stopping.socket.getsockname())
        answer.sendall(f"{head}{kind}\r\n\r\n--x".encode())
        assert b"100 Continue" in answer.recv(100)  # it waits for the rest
    with answer, answer.makefile("rb") as read:
        said = read.read()
    assert b" 503 " in said and b"application/problem+json" in said and b"stopped meanwhile" in said


@pytest.mark.parametrize("host", ['evil"><script>', "a b/c?d#e@f"])
def test_links_name_no_host_that_cannot_be_one(http, server, host):
    made = http.post(
        "models/local/echo/predictions", json={"input": {"text": "a"}}, headers={"Host": host}
    )
    assert made.headers["Location"] == f"{server.url}/v1/predictions/{made.json()['id']}"


def test_the_account_has_a_name(http):
    assert http.get("account").json()["name"]


def test_hardware_is_a_bare_list(http):
    assert all(each["name"] and each["sku"] for each in http.get("hardware").json())


def test_without_tokens_any_token_will_do(http):
    assert http.get("account", headers={"Authorization": "Bearer what"}).status_code == 200


@pytest.fixture(scope="module")
def closed(tmp_path_factory, own_catalog):
    with (
        Server(
            tmp_path_factory.mktemp("closed"), own_catalog(), ["other", TOKEN], PUBLIC
        ) as running,
        Http(base_url=f"{running.url}/v1/", timeout=70) as client,
    ):
        yield client


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"Token {TOKEN}", f"bearer  {TOKEN}"])
def test_an_allowed_token_opens_the_api(closed, header):
    assert closed.get("account", headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({}, "No token was passed"),
        ({"Authorization": ""}, "No token was passed"),
        ({"Authorization": "Bearer"}, "No token was passed"),
        ({"Authorization": f"Basic {TOKEN}"}, "No token was passed"),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, "not valid"),
        ({"Authorization": b"Bearer other " + b"\xe4"}, "not valid"),
    ],
)
def test_anything_else_is_a_401(closed, headers, detail):
    for path in ("account", "predictions/x", "files/x"):
        response = closed.get(path, headers=headers)
        assert response.status_code == response.json()["status"] == 401
        assert response.json()["title"] == "Unauthenticated"
        assert detail in response.json()["detail"]


def test_streams_and_files_open_without_a_token(closed):
    closed.headers["Authorization"] = f"Bearer {TOKEN}"
    streaming = closed.run("local/counts", {"n": 1})
    made = closed.run("local/files", {})
    del closed.headers["Authorization"]
    assert closed.get(path_of(streaming["urls"]["stream"])).status_code == 200
    assert closed.get(path_of(made["output"][0])).status_code == 200
    assert closed.get(path_of(made["urls"]["get"])).status_code == 401


def path_of(link: str) -> str:
    root, _, path = link.partition("/v1/")
    assert root + "/" == PUBLIC
    return path


def test_all_links_are_below_the_public_url(closed):
    closed.headers["Authorization"] = f"Bearer {TOKEN}"
    made = closed.run("local/files", {})
    model = closed.get("models/local/files").json()
    file = closed.post("files", files={"content": b"x"}).json()
    del closed.headers["Authorization"]
    links = [*made["urls"].values(), *made["output"], model["url"], *file["urls"].values()]
    assert all(link.startswith(PUBLIC) for link in links), "clients see files in https links"


@pytest.mark.parametrize(
    ("trusted", "base"),
    [
        ([], "http://inner"),
        (["10.0.0.0/8"], "http://inner"),
        (["127.0.0.1"], "https://outer.example"),
        (["*"], "https://outer.example"),
    ],
)
async def test_a_proxy_that_is_trusted_says_under_which_address_it_was_asked(server, trusted, base):
    application = api.app.build(server.service, trusted_proxies=trusted)
    transport = httpx.ASGITransport(application, client=("127.0.0.1", 9))
    said = {"X-Forwarded-Host": "evil, outer.example", "X-Forwarded-Proto": "https"}
    async with httpx.AsyncClient(transport=transport, base_url="http://inner") as client:
        document = (await client.get("/v1/openapi.json", headers=said)).json()
        assert document["servers"] == [{"url": f"{base}/v1"}]
        said["X-Forwarded-Host"] = "a b<script>"
        document = (await client.get("/v1/openapi.json", headers=said)).json()
        assert "script" not in document["servers"][0]["url"]
