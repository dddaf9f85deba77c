"""The contract's rows on Python's client 1.0.7, one after the other, each test named after its row.

What a client puts on the wire is read from what the server was asked.
"""

from __future__ import annotations

import importlib.metadata
import io
import re

import pytest
import replicate
from PIL import Image
from replicate.exceptions import ModelError, ReplicateError
from replicate.helpers import FileOutput
from replicate.prediction import Prediction

from tests.clients.test_publishing import pushed

ECHO = {"text": "hi"}


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (8, 8), "red").save(path)
    return path


def latest(server, model="local/echo"):
    return server.service.catalog.find(model).latest.id


def test_install_is_the_version_of_the_contract():
    assert importlib.metadata.version("replicate") == "1.0.7"


@pytest.mark.parametrize("suffix", ["", "/v1"])
def test_construct_by_the_environment_with_or_without_v1(server, monkeypatch, suffix, asked):
    monkeypatch.setenv("REPLICATE_BASE_URL", server.url + suffix)
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_any")
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.01")
    client = replicate.Client()
    assert client.poll_interval == 0.01
    assert client.run("local/echo", input=ECHO) == "hi"
    client._client.close()
    assert [each.path for each in asked()] == [f"{suffix}/v1/models/local/echo/predictions"]


def test_construct_without_a_token(server, asked):
    client = replicate.Client(api_token="", base_url=server.url)
    assert client.run("local/echo", input=ECHO) == "hi"
    client._client.close()
    assert "authorization" not in asked()[-1].headers


def test_headers(client, asked):
    client.accounts.current()
    headers = asked()[-1].headers
    assert headers["user-agent"] == "replicate-python/1.0.7"
    assert headers["authorization"] == "Bearer any" and headers["accept"] == "*/*"


def test_run_by_name(client, asked):
    assert client.run("local/echo", input=ECHO) == "hi"
    (request,) = asked()
    assert str(request) == "POST /v1/models/local/echo/predictions"
    assert request.headers["prefer"] == "wait"


def test_run_by_version_asks_for_the_version_afterwards(client, server, asked):
    version = latest(server)
    assert client.run(f"local/echo:{version}", input=ECHO) == "hi"
    create, get = asked()
    assert str(create) == "POST /v1/predictions" and create.json["version"] == version
    assert str(get) == f"GET /v1/models/local/echo/versions/{version}"


@pytest.mark.parametrize(
    ("wait", "sent"), [(True, "wait"), (30, "wait=30"), (120, "wait=120"), (False, None), (0, None)]
)
def test_run_wait(client, asked, wait, sent):
    assert client.run("local/echo", input=ECHO, wait=wait) == "hi"
    create, *polls = asked()
    assert create.headers.get("prefer") == sent
    assert all(each.method == "GET" for each in polls) and (not sent or not polls)


def test_predictions_create_by_model_or_deployment_drops_wait(client, asked, picture):
    client.deployments.create(
        name="rows", model="local/image-in-out", version=client.models.get(
            "local/image-in-out").latest_version.id, hardware="cpu",
        min_instances=0, max_instances=1,
    )  # fmt: skip
    asked()
    for target in ({"model": "local/image-in-out"}, {"deployment": "atelier/rows"}):
        made = client.predictions.create(
            **target, input={"image": picture}, wait=True, file_encoding_strategy="base64"
        )
        made.wait()
        assert made.status == "succeeded"
        upload, create, *_ = asked()
        assert str(upload) == "POST /v1/files" and "prefer" not in create.headers
        assert create.json["input"]["image"].endswith(f"/v1/files/{made.input['image'][-26:]}")
    assert client.deployments.delete("atelier", "rows") is True


def test_returns_files_wherever_they_are(client):
    output = client.run("local/every-output", input={})
    assert isinstance(output["picture"], FileOutput) and isinstance(output["clips"][0], FileOutput)
    assert output["text"] == "hello" and output["details"] == {"length": 5}
    plain = client.run("local/every-output", input={}, use_file_output=False)
    assert plain["picture"].startswith("data:image/png;base64,")


async def test_file_output(client, picture):
    output = client.run("local/image-in-out", input={"image": picture})
    whole = output.read()
    assert b"".join(output) == whole == await output.aread()
    assert str(output) == output.url and Image.open(io.BytesIO(whole)).size == (8, 8)


def test_file_output_sends_the_token_and_follows_no_redirect(client, asked, picture):
    made = client.predictions.create(model="local/image-in-out", input={"image": picture})
    made.wait()
    asked()
    assert Image.open(io.BytesIO(FileOutput(made.output, client).read())).size == (8, 8)
    (download,) = asked()
    assert download.headers["authorization"] == "Bearer any"
    assert re.search(r"/v1/outputs/\w+/[\w.-]+\.png$", download.path)


def test_stream(client, asked):
    events = list(client.stream("local/counts", input={"n": 3}))
    assert "".join(map(str, events)) == "0 1 2 " and events[-1].event.value == "done"
    create, stream = asked()
    assert create.json["stream"] is True and "prefer" not in create.headers
    assert stream.headers["accept"] == "text/event-stream"
    assert stream.headers["cache-control"] == "no-store"
    assert stream.path.startswith("/v1/streams/")


def test_stream_of_a_prediction(client):
    prediction = client.predictions.create(model="local/counts", input={"n": 3})
    assert "".join(map(str, prediction.stream())) == "0 1 2 "


async def test_async(server):
    client = replicate.Client(api_token="any", base_url=server.url)
    assert await client.async_run("local/echo", input=ECHO) == "hi"
    events = [each async for each in await client.async_stream("local/counts", input={"n": 3})]
    assert "".join(map(str, events)) == "0 1 2 "
    made = await client.predictions.async_create(version=latest(server), input=ECHO)
    await made.async_wait()
    assert (await client.predictions.async_get(made.id)).output == "hi"
    await client._async_client.aclose()


def test_files_in_input_anywhere(client, asked, picture):
    spent = picture.open("rb")
    spent.read()
    with spent:
        output = client.run(
            "local/every-input",
            input={"prompt": "p", "image": spent, "images": [picture, io.BytesIO(b"text")]},
        )
    size = picture.stat().st_size
    assert output["image"] == f"a file of {size} bytes named red.png"
    assert [each.split(" named ")[0] for each in output["images"]] == [
        f"a file of {size} bytes",
        "a file of 4 bytes",
    ]
    paths = [str(each) for each in asked()]
    assert paths[:3] == ["POST /v1/files"] * 3


def test_files_in_input_inline(client, asked, picture):
    output = client.run(
        "local/image-in-out", input={"image": picture}, file_encoding_strategy="base64"
    )
    assert Image.open(io.BytesIO(output.read())).size == (8, 8)
    (create,) = asked()
    assert create.json["input"]["image"].startswith("data:image/png;base64,")


def test_progress_of_a_bar_that_is_redrawn(client, server, tmp_path):
    version = pushed(server, tmp_path, "clients/bars", BARS)
    made = client.predictions.create(version=version, input={})
    made.wait()
    assert made.output == "done", made.error
    assert made.progress == Prediction.Progress(1.0, 3, 3)


BARS = """
from tqdm import tqdm

def Predictor() -> str:
    for each in tqdm(range(3)):
        pass
    return "done"
"""


@pytest.mark.parametrize(
    "ended",
    [
        ("local/echo", ECHO),
        ("local/fails-midway", {}),
        ("local/every-output", {}),
        ("local/counts", {"n": 2}),
    ],
)
def test_raises_on_nothing_that_we_answer(client, ended):
    model, inputs = ended
    made = client.predictions.create(model=model, input=inputs)
    assert made.status == "starting"
    made.wait()
    assert made.id and made.model == model and made.version and all(made.urls.values())
    assert made.error is None or isinstance(made.error, str)
    assert client.predictions.get(made.id) == made


def test_raises_on_no_status_of_a_deadline_that_passes_before_the_start(client, server, asked):
    busy = client.predictions.create(model="local/never-ends", input={})
    headers = {"Cancel-After": "5s"}
    body = {"input": {}}
    sent = client._request(
        "POST", "/v1/models/local/never-ends/predictions", json=body, headers=headers
    )
    waiting = client.predictions.get(sent.json()["id"])
    waiting.wait()
    assert waiting.status == "canceled"
    busy.cancel()


def test_raises_with_the_reason_of_a_model_and_of_a_refusal(client):
    with pytest.raises(ModelError, match="It went wrong midway") as failed:
        client.run("local/fails-midway", input={})
    assert failed.value.prediction.status == "failed"
    with pytest.raises(ReplicateError) as refused:
        client.run("local/echo", input={})
    assert refused.value.status == 422 and refused.value.title == "Input validation failed"


def test_missing_features_are_served_all_the_same(client):
    """What this client has no method for answers to its requests as to any."""
    assert client._request("GET", "/v1/search?query=echo").json()["models"]
    assert client._request("GET", "/v1/models/local/echo/examples").json()["results"] == []
    assert client._request("GET", "/v1/models/local/echo/readme").text.startswith("#")
    with pytest.raises(ReplicateError) as refused:
        client._request("PATCH", "/v1/models/local/echo", json={"description": "x"})
    assert refused.value.status == 400
