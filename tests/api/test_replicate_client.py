"""The official Python client, unchanged, against our server."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from replicate.exceptions import ModelError, ReplicateError
from replicate.helpers import FileOutput
from replicate.pagination import Page, paginate


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (8, 8), "red").save(path)
    return path


def pinned(client, model: str) -> str:
    return f"{model}:{client.models.get(model).latest_version.id}"


def test_run_by_name_gives_the_output(client):
    assert client.run("local/echo", input={"text": "hi"}) == "hi"


def test_run_by_version_gives_the_output(client):
    assert client.run(pinned(client, "local/echo"), input={"text": "hi"}) == "hi"


@pytest.mark.parametrize("wait", [True, False, 30])
def test_run_gives_the_output_however_it_waits(client, wait):
    assert client.run("local/echo", input={"text": "hi"}, wait=wait) == "hi"


def test_run_polls_when_the_wait_runs_out(client, server):
    """`starting` is the only status that a held answer may show for the client to go on polling."""
    running = client.predictions.create(model="local/never-ends", input={}, wait=1)
    assert running.status == "starting"
    running.cancel()
    running.wait()
    assert running.status == "canceled"


def test_a_streaming_model_run_by_name_gives_its_pieces(client):
    assert len(client.run("local/counts", input={"n": 5})) == 5


def test_a_streaming_model_run_by_version_gives_an_iterator(client):
    reference = pinned(client, "local/counts")
    assert len(list(client.run(reference, input={"n": 5}, wait=False))) == 5


async def test_async_run_gives_the_output(async_client):
    assert await async_client.async_run("local/echo", input={"text": "hi"}) == "hi"


def test_stream_gives_every_piece_in_order(client):
    events = list(client.stream("local/counts", input={"n": 200}))
    whole = client.run("local/counts", input={"n": 200})
    assert [str(each) for each in events[:-1]] == whole
    assert events[-1].event.value == "done"


def test_stream_gives_awkward_text_whole(client):
    pieces = ["https://a.example", "data:,b", "", " c", "\n", "d\r\ne", "f\u2028g", "🦊"]
    events = list(client.stream("local/says", input={"pieces": pieces}))
    assert all(isinstance(event.data, str) for event in events)
    text = "".join(map(str, events))
    assert text == "https://a.exampledata:,b c\nd\nef\ng🦊"
    assert client.run("local/says", input={"pieces": pieces[2:]}) == pieces[2:]


async def test_async_stream_gives_every_piece_in_order(async_client):
    stream = await async_client.async_stream("local/counts", input={"n": 20})
    events = [event async for event in stream]
    assert len(events) == 21
    assert events[-1].event.value == "done"


def test_a_prediction_streams_after_its_end(client):
    prediction = client.predictions.create(model="local/counts", input={"n": 3})
    prediction.wait()
    assert len(list(prediction.stream())) == 4


def test_streaming_a_failure_raises(client):
    with pytest.raises(RuntimeError, match="detail"):
        list(client.stream("local/fails-midway", input={}))


def test_streaming_what_does_not_stream_raises(client):
    with pytest.raises(ReplicateError, match="does not support streaming"):
        list(client.stream("local/echo", input={"text": "hi"}))


def test_a_model_that_fails_raises_with_its_prediction(client):
    with pytest.raises(ModelError) as raised:
        client.run("local/fails-midway", input={})
    assert raised.value.prediction.status == "failed"
    assert str(raised.value) == raised.value.prediction.error


def test_a_prediction_is_polled_reloaded_and_listed(client):
    prediction = client.predictions.create(model="local/counts", input={"n": 3})
    assert prediction.status == "starting"
    prediction.wait()
    assert prediction.status == "succeeded"
    assert len(prediction.output) == 3
    assert prediction.metrics["predict_time"] >= 0
    assert client.predictions.get(prediction.id) == prediction
    assert client.predictions.list().results[0].id == prediction.id


async def test_a_prediction_is_followed_by_the_async_client(async_client):
    prediction = await async_client.predictions.async_create(
        version=(await async_client.models.async_get("local/counts")).latest_version.id,
        input={"n": 3},
    )
    await prediction.async_wait()
    assert len(prediction.output) == 3


@pytest.mark.parametrize("form", ["open file", "path", "bytes in memory"])
def test_a_file_is_uploaded_and_comes_back(client, picture, form):
    opened = picture.open("rb")
    forms = {
        "open file": opened,
        "path": picture,
        "bytes in memory": io.BytesIO(picture.read_bytes()),
    }
    with opened:
        output = client.run("local/image-in-out", input={"image": forms[form]})
    assert isinstance(output, FileOutput)
    assert Image.open(io.BytesIO(output.read())).size == (8, 8)


def test_a_file_is_sent_inline_and_comes_back(client, picture):
    with picture.open("rb") as opened:
        output = client.run(
            "local/image-in-out", input={"image": opened}, file_encoding_strategy="base64"
        )
    assert Image.open(io.BytesIO(output.read())).size == (8, 8)


def test_several_files_come_back_as_several(client):
    outputs = client.run("local/files", input={})
    assert all(isinstance(each, FileOutput) and each.read() for each in outputs)


async def test_a_file_comes_back_to_the_async_client(async_client, picture):
    with picture.open("rb") as opened:
        output = await async_client.async_run("local/image-in-out", input={"image": opened})
    assert Image.open(io.BytesIO(await output.aread())).size == (8, 8)


def test_files_are_kept_listed_and_deleted(client, picture):
    file = client.files.create(picture, metadata={"a": 1})
    assert (file.name, file.content_type) == ("red.png", "image/png")
    assert file.metadata == {"a": 1}
    assert client.files.get(file.id) == file
    assert client.files.list()[0].id == file.id
    assert client.files.delete(file.id) is True
    with pytest.raises(ReplicateError) as raised:
        client.files.get(file.id)
    assert raised.value.status == 404


def test_models_and_versions_are_read(client):
    model = client.models.get("local/echo")
    assert model.id == "local/echo"
    assert model.versions.list().results[0] == model.latest_version
    assert model.versions.get(model.latest_version.id) == model.latest_version
    assert "local/echo" in [each.id for page in paginate(client.models.list) for each in page]
    assert "local/echo" in [each.id for each in client.models.search("echo").results]


def test_pages_are_walked_by_paginate(client):
    for n in range(101):
        client.run("local/echo", input={"text": str(n)})
    seen = [each.id for page in paginate(client.predictions.list) for each in page]
    assert len(seen) == len(set(seen)) > 100
    first = client.predictions.list()
    assert isinstance(first, Page)
    assert client.predictions.list(cursor=first.next).results[0].id == seen[100]


def test_the_account_and_the_hardware_are_read(client):
    assert client.accounts.current().name
    assert client.hardware.list()


@pytest.mark.parametrize(
    ("call", "status", "title"),
    [
        (lambda client: client.run("local/none", input={}), 404, "Not found"),
        (
            lambda client: client.run("local/echo:latest", input={"text": "a"}),
            422,
            "Invalid version or not permitted",
        ),
        (lambda client: client.run("local/echo", input={}), 422, "Input validation failed"),
        (lambda client: client.predictions.get("none"), 404, "Not found"),
        (lambda client: client.deployments.get("a/b"), 404, "Not found"),
    ],
)
def test_errors_are_read(client, call, status, title):
    with pytest.raises(ReplicateError) as raised:
        call(client)
    assert (raised.value.status, raised.value.title) == (status, title)
    assert raised.value.detail
