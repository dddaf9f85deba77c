"""The contract's rows on Python's client 2.0.0b4, one after the other, each test named after its
row.
"""

from __future__ import annotations

import pytest
from PIL import Image

ECHO = {"text": "hi"}


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (8, 8), "red").save(path)
    return str(path)


def version_of(server, model):
    return server.service.catalog.find(model).latest.id


def paths(requests):
    return [str(each) for each in requests]


def test_construct(python_2, asked):
    lines = """
        import importlib.metadata, os
        del os.environ['REPLICATE_API_TOKEN']
        try:
            replicate.Replicate()
        except replicate.ReplicateError as error:
            refused = str(error)
        assert replicate.Client is replicate.Replicate
        by_environment = replicate.Replicate(bearer_token='any')
        give([importlib.metadata.version('replicate'), refused, by_environment.account.get().type])
    """
    version, refused, kind = python_2(lines)
    assert (version, kind) == ("2.0.0b4", "user") and "bearer_token" in refused
    assert paths(asked()) == ["GET /v1/account"]


def test_headers(python_2, asked):
    python_2("client.run('local/echo', input={'text': 'hi'}, cancel_after='1m'); give(1)")
    headers = asked()[0].headers
    assert headers["user-agent"] == "Replicate/Python 2.0.0-beta.4"
    assert (headers["accept"], headers["authorization"]) == ("application/json", "Bearer any")
    assert (headers["prefer"], headers["cancel-after"]) == ("wait", "1m")
    assert headers["x-stainless-read-timeout"] == "60"


def test_run(python_2, server, asked):
    lines = """
        given = [client.run(reference, input={'text': 'hi'}, wait=wait)
                 for reference in references for wait in (True, 5)]
        given.append(client.run(references[0], input={'text': 'hi'}, prefer='wait=7'))
        try:
            client.run(references[0], input={}, wait=1, prefer='wait')
        except TypeError:
            give(given)
    """
    version = version_of(server, "local/echo")
    references = ["local/echo", f"local/echo:{version}"]
    assert python_2(lines, references=references) == ["hi"] * 5
    requests = asked()
    by_name, by_version = "POST /v1/models/local/echo/predictions", "POST /v1/predictions"
    assert paths(requests) == [by_name, by_name, by_version, by_version, by_name]
    assert [each.headers["prefer"] for each in requests] == [
        "wait", "wait=5", "wait", "wait=5", "wait=7"
    ]  # fmt: skip


def test_run_with_a_deadline_shows_it(python_2):
    lines = """
        made = client.models.predictions.create(
            model_owner='local', model_name='never-ends', input={}, cancel_after='1m')
        read = client.predictions.get(prediction_id=made.id)
        left = (read.deadline - read.created_at).total_seconds()
        client.predictions.cancel(prediction_id=made.id)
        give(left)
    """
    assert python_2(lines) == pytest.approx(60, abs=5)


def test_predictions_wait_gets_first_and_until_each_end(python_2, asked):
    lines = """
        ends, inputs = [], {'echo': {'text': 'hi'}}
        for name in ('echo', 'fails-midway', 'never-ends'):
            made = client.models.predictions.create(
                model_owner='local', model_name=name, input=inputs.get(name, {}))
            if name == 'never-ends':
                client.predictions.cancel(prediction_id=made.id)
            ends.append(client.predictions.wait(made.id).status)
        give(ends)
    """
    assert python_2(lines) == ["succeeded", "failed", "canceled"]
    assert [each.method for each in asked()][-3:] == ["POST", "POST", "GET"]


@pytest.mark.parametrize("pinned", [False, True])
def test_use(python_2, server, asked, pinned):
    version = version_of(server, "local/echo")
    reference = f"local/echo:{version}" if pinned else "local/echo"
    assert python_2("give(replicate.use(reference)(text='hi'))", reference=reference) == "hi"
    requests = asked()
    (create,) = (each for each in requests if each.method == "POST")
    assert create.path == "/v1/predictions" and create.json["version"] == version
    assert "prefer" not in create.headers
    model = "GET /v1/models/local/echo"
    assert {model, f"{model}/versions"} & {*paths(requests)}
    assert (f"{model}/versions/{version}" in paths(requests)) == pinned


def test_use_of_a_file_gives_a_path_that_downloads_without_a_token(python_2, picture, asked):
    lines = """
        made = replicate.use('local/image-in-out')(image=pathlib.Path(path))
        give([pathlib.Path(made).name, pathlib.Path(made).stat().st_size > 50])
    """
    name, is_there = python_2(lines, path=picture)
    assert name.endswith(".png") and is_there
    download = asked()[-1]
    assert "/outputs/" in download.path and "authorization" not in download.headers


def test_use_streaming_and_stream_poll_the_output_array(python_2, asked):
    lines = """
        import warnings
        warnings.simplefilter('ignore')
        counts = replicate.use('local/counts', streaming=True)
        given = [''.join(counts(n=4, delay=0.3)),
                 ''.join(map(str, replicate.stream('local/counts', input={'n': 4, 'delay': 0.3})))]
        give(given)
    """
    assert python_2(lines) == ["0 1 2 3 ", "0 1 2 3 "]
    assert not [each for each in asked() if "/streams/" in each.path]


def test_bugs_seen_are_the_clients_own(python_2, asked):
    """`client.use` breaks before it asks us anything; `client.stream` asks whom the environment
    names.
    """
    lines = """
        import warnings
        warnings.simplefilter('ignore')
        try:
            client.use('local/echo')
            raised = ''
        except TypeError as error:
            raised = type(error).__name__
        other = replicate.Replicate(bearer_token='any', base_url='http://127.0.0.1:9/v1')
        give([raised, [str(each) for each in other.stream('local/counts', input={'n': 1})]])
    """
    assert python_2(lines) == ["TypeError", ["0 "]]


def test_calls(python_2, asked):
    lines = """
        named = dict(model_owner='local', model_name='echo')
        version = client.models.get(**named).latest_version.id
        client.models.versions.get(**named, version_id=version)
        made = client.deployments.create(
            name='calls', model='local/echo', version=version, hardware='cpu',
            min_instances=0, max_instances=1)
        through = client.deployments.predictions.create(
            deployment_owner=made.owner, deployment_name='calls', input={'text': 'hi'},
            prefer='wait')
        changed = client.deployments.update(
            deployment_owner=made.owner, deployment_name='calls', max_instances=2)
        listed = [each.name for each in client.deployments.list()]
        client.deployments.delete(deployment_owner=made.owner, deployment_name='calls')
        give([made.current_release.number, through.output, changed.current_release.number,
              'calls' in listed, client.predictions.get(prediction_id=through.id).status])
    """
    assert python_2(lines) == [1, "hi", 2, True, "succeeded"]
    through = next(each for each in asked() if each.path.endswith("/calls/predictions"))
    assert str(through) == "POST /v1/deployments/atelier/calls/predictions"


def test_files_in_input_lose_their_name_and_type(python_2, picture):
    """The type is found in the bytes; a handle that was read is an empty file."""
    lines = """
        spent = open(path, 'rb')
        spent.read()
        output = client.run('local/every-input', input={
            'prompt': 'p', 'image': pathlib.Path(path), 'document': spent})
        kinds = {each.content_type for each in client.files.list() if each.size}
        give([output['image'], output['document'], 'image/png' in kinds])
    """
    image, document, found = python_2(lines, path=picture)
    assert " bytes named upload" in image and found
    assert document.startswith("a file of 0 bytes")


def test_files_in_input_of_a_deployment_are_not_encoded_by_the_client(python_2, picture):
    lines = """
        try:
            client.deployments.predictions.create(
                deployment_owner='a', deployment_name='b', input={'image': pathlib.Path(path)})
        except TypeError as error:
            give(str(error))
    """
    assert "JSON serializable" in python_2(lines, path=picture)


def test_file_output_is_fetched_without_a_token(python_2, picture, asked):
    lines = """
        from replicate.lib._files import FileOutput
        made = client.models.predictions.create(
            model_owner='local', model_name='image-in-out', input={'image': open(path, 'rb')})
        address = client.predictions.wait(made.id).output
        give(len(FileOutput(address, client).read()) > 50)
    """
    assert python_2(lines, path=picture) is True
    download = asked()[-1]
    assert "/outputs/" in download.path and "authorization" not in download.headers


def test_file_output_of_the_async_client(python_2, picture):
    lines = """
        import asyncio
        async def main():
            async with replicate.AsyncReplicate(bearer_token='any') as client:
                output = await client.run(
                    'local/image-in-out', input={'image': open(path, 'rb')})
                return [type(output).__name__, len(await output.read()) > 50]
        give(asyncio.run(main()))
    """
    assert python_2(lines, path=picture) == ["AsyncFileOutput", True]


def test_validation_reads_every_field_of_ours(python_2):
    lines = """
        made = client.models.predictions.create(
            model_owner='local', model_name='counts', input={'n': 2}, prefer='wait')
        give([type(made.created_at).__name__, type(made.completed_at).__name__, made.data_removed,
              made.input, made.output, made.urls.web[:4], made.urls.stream[:4], made.source,
              made.metrics.total_time >= 0])
    """
    assert python_2(lines) == [
        "datetime", "datetime", False, {"n": 2}, ["0 ", "1 "], "http", "http", "api", True
    ]  # fmt: skip


def test_lists_are_walked_over_their_pages(python_2, asked):
    lines = """
        for number in range(101):
            client.files.create(content=b'x', filename=f'row {number}')
        names = {each.name for each in client.files.list()}
        give([number for number in range(101) if f'row {number}' not in names])
    """
    assert python_2(lines) == []
    assert [str(each) for each in asked()].count("GET /v1/files") >= 2
