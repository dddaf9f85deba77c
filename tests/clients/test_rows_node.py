"""The contract's rows on Node's client 1.4.0, in their order, each test named after its row."""

from __future__ import annotations

import base64
import json

import pytest
from PIL import Image

from tests.clients.conftest import HERE


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (8, 8), "red").save(path)
    return str(path)


def paths(requests):
    return [str(each) for each in requests]


def test_construct(node, server, asked):
    """No variable names the address; the token alone may come from the environment."""
    lines = """
        process.env.REPLICATE_API_TOKEN = 'r8_env';
        const slashed = new Replicate({baseUrl: url + '/v1/', userAgent: 'mine', fetch});
        give((await slashed.accounts.current()).type);
    """
    assert node(lines, url=server.url) == "user"
    (request,) = asked()
    assert request.headers["authorization"] == "Bearer r8_env"
    assert request.headers["user-agent"] == "mine"
    package = HERE / "node_modules" / "replicate" / "package.json"
    assert json.loads(package.read_text())["version"] == "1.4.0"


def test_headers_say_json_even_without_a_body(node, asked):
    lines = """
        await replicate.accounts.current();
        const made = await replicate.predictions.create({model: 'local/never-ends', input: {}});
        give((await replicate.predictions.cancel(made.id)).status);
    """
    assert node(lines) == "canceled"
    requests = asked()
    assert {each.headers["content-type"] for each in requests} == {"application/json"}
    assert {each.headers["user-agent"] for each in requests} == {"replicate-javascript/1.4.0"}
    assert requests[-1].body == b""


@pytest.mark.parametrize(
    ("wait", "sent"),
    [
        (None, "wait"),
        ({"mode": "block"}, "wait"),
        ({"mode": "block", "timeout": 120}, "wait=120"),
        ({"mode": "block", "timeout": 0.2}, "wait=1"),
        ({"mode": "block", "timeout": 5.1}, "wait=6"),
        ({"mode": "poll", "interval": 20}, None),
    ],
)
def test_run(node, server, asked, wait, sent):
    version = server.service.catalog.find("local/echo").latest.id
    lines = """
        const given = [];
        for (const reference of references)
            given.push(await replicate.run(reference, {input: {text: 'hi'}, ...(wait && {wait})}));
        give(given);
    """
    references = ["local/echo", f"local/echo:{version}"]
    assert node(lines, references=references, wait=wait) == ["hi", "hi"]
    requests = asked()
    creates = [each for each in requests if each.method == "POST"]
    assert paths(creates) == ["POST /v1/models/local/echo/predictions", "POST /v1/predictions"]
    assert {each.headers.get("prefer") for each in creates} == {sent}
    assert not [each for each in requests if "/versions/" in each.path]


def test_polling_goes_to_every_end(node):
    lines = """
        const ends = [];
        for (const [name, input] of [
                ['echo', {text: 'hi'}], ['fails-midway', {}], ['never-ends', {}]]) {
            const made = await replicate.predictions.create({model: `local/${name}`, input});
            if (name === 'never-ends') await replicate.predictions.cancel(made.id);
            try { ends.push((await replicate.wait(made, {interval: 20})).status); }
            catch (error) { ends.push(error.message); }
        }
        give(ends);
    """
    assert node(lines) == ["succeeded", "Prediction failed: It went wrong midway.", "canceled"]


def test_abort_cancels_and_gives_what_there_is(node, asked):
    lines = """
        const stop = new AbortController();
        const output = await replicate.run(
            'local/counts', {input: {n: 100000, delay: 0.05}, signal: stop.signal,
                             wait: {mode: 'poll', interval: 20}},
            (prediction) => { if (prediction.output?.length) stop.abort(); });
        give(output[0]);
    """
    assert node(lines) == "0 "
    assert asked()[-1].path.endswith("/cancel")


def test_returns_a_file_as_a_stream_and_its_body_is_there_at_once(node, picture):
    lines = """
        const image = await readFile(path);
        const output = await replicate.run('local/every-output', {input: {}});
        const blob = await output.picture.blob();
        const clip = await output.clips[0].blob();
        give([blob.type, clip.type, output.text, String(output.picture).slice(0, 10)]);
    """
    given = node(lines, path=picture)
    assert given[0] == "image/png" and given[1].startswith("audio/")
    assert given[2:] == ["hello", "data:image"]


@pytest.mark.parametrize(
    "form", ["image", "new Blob([image])", "new File([image], 'red.png', {type: 'image/png'})"]
)
def test_files_in_input(node, asked, picture, form):
    lines = f"""
        const image = await readFile(path);
        const output = await replicate.run('local/image-in-out', {{input: {{image: {form}}}}});
        give((await output.blob()).size > 50);
    """
    assert node(lines, path=picture) is True
    assert paths(asked())[:1] == ["POST /v1/files"]


def test_files_in_input_that_cannot_be_uploaded_come_inline(node, server, picture):
    lines = """
        const broken = (url, options) => String(url).endsWith('/files')
            ? Promise.resolve(new Response('', {status: 500})) : fetch(url, options);
        const other = new Replicate({auth: 'any', baseUrl: url + '/v1', fetch: broken});
        const image = await readFile(path);
        const output = await other.run('local/image-in-out', {input: {image}});
        give((await output.blob()).size > 50);
    """
    assert node(lines, url=server.url, path=picture) is True


def test_file_encoding_strategy_data_uri_is_broken_and_its_token_is_not_told(node, server, picture):
    """The client sends itself, token and all, as the input: our answer must not repeat it."""
    lines = """
        const other = new Replicate({
            auth: 'r8_hushhush', baseUrl: url + '/v1', fileEncodingStrategy: 'data-uri'});
        const image = await readFile(path);
        try { await other.run('local/image-in-out', {input: {image}}); give(''); }
        catch (error) { give([error.response.status, error.message]); }
    """
    status, message = node(lines, url=server.url, path=picture)
    assert status == 422 and "Input validation failed" in message
    assert "r8_hushhush" not in message


def test_stream_opens_without_a_token(node, asked):
    lines = """
        const events = [];
        for await (const each of replicate.stream('local/counts', {input: {n: 2}}))
            events.push([each.event, each.data, Boolean(each.id), String(each)]);
        give(events);
    """
    *outputs, done = node(lines)
    assert outputs == [["output", "0 ", True, "0 "], ["output", "1 ", True, "1 "]]
    assert done[:2] == ["done", "{}"]
    stream = asked()[-1]
    assert stream.path.startswith("/v1/streams/") and "authorization" not in stream.headers
    assert stream.headers["accept"] == "text/event-stream"


def test_search_sends_a_quoted_query(node, asked):
    assert node("give((await replicate.models.search('echo')).results[0].name)") == "echo"
    (request,) = asked()
    assert str(request) == "QUERY /v1/models" and request.body == b'"echo"'


def test_deletes_are_true_for_a_204_alone(node, server):
    version = server.service.catalog.find("local/echo").latest.id
    lines = """
        const made = await replicate.files.create(new Blob(['x']));
        const deployed = await replicate.deployments.create({
            name: 'row', model: 'local/echo', version, hardware: 'cpu',
            min_instances: 0, max_instances: 1});
        const {owner} = deployed;
        const changed = await replicate.deployments.update(owner, 'row', {max_instances: 2});
        const through = await replicate.deployments.predictions.create(
            owner, 'row', {input: {text: 'hi'}});
        const listed = await replicate.deployments.list();
        const read = await replicate.deployments.get(owner, 'row');
        give([await replicate.files.delete(made.id), changed.current_release.number,
              through.status, listed.results.some((each) => each.name === 'row'), read.name,
              await replicate.deployments.delete(owner, 'row')]);
    """
    assert node(lines, version=version) == [True, 2, "starting", True, "row", True]


def test_webhooks(node, receiver):
    lines = """
        await replicate.run('local/echo', {input: {text: 'hi'}, webhook: url,
                                           webhook_events_filter: ['completed']});
        give((await replicate.webhooks.default.secret.get()).key);
    """
    secret = node(lines, url=receiver.url)
    (message,) = receiver.until(lambda messages: messages)
    assert secret.count("_") == 1 and len(base64.b64decode(secret[6:], validate=True)) >= 24
    headers = {name.lower(): value for name, value in message.headers.items()}
    lines = """
        const request = (body) => new Request('http://x/', {method: 'POST', headers, body});
        give([await validateWebhook(request(body), secret),
              await validateWebhook(request(body + ' '), secret)]);
    """
    assert node(lines, headers=headers, body=message.body.decode(), secret=secret) == [True, False]
