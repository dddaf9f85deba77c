"""Node's official client 1.4.0, unchanged: the rows of the contract's §11.3."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (8, 8), "red").save(path)
    return str(path)


@pytest.mark.parametrize(
    "wait",
    [
        {"mode": "block"},
        {"mode": "block", "timeout": 5.1},
        {"mode": "block", "timeout": 120},
        {"mode": "poll", "interval": 20},
    ],
)
def test_run_gives_the_output_however_it_waits(node, wait):
    lines = "give(await replicate.run('local/echo', {input: {text: 'hi'}, wait}))"
    assert node(lines, wait=wait) == "hi"


def test_run_by_version_never_asks_for_the_version(node, server):
    version = server.service.catalog.find("local/echo").latest.id
    lines = "give(await replicate.run(reference, {input: {text: 'hi'}}))"
    assert node(lines, reference=f"local/echo:{version}") == "hi"


def test_run_polls_when_the_wait_runs_out_and_tells_of_progress(node):
    lines = """
        const seen = [];
        const output = await replicate.run(
            'local/counts', {input: {n: 4, delay: 0.4}, wait: {mode: 'block', timeout: 1}},
            (prediction) => seen.push(prediction.status));
        give([output, seen]);
    """
    output, seen = node(lines)
    assert "".join(output) == "0 1 2 3 "
    assert seen[0] == "starting" and seen[-1] == "succeeded"


def test_an_abort_cancels_while_it_polls(node, server):
    lines = """
        const stop = new AbortController();
        let id;
        const wait = {mode: 'poll', interval: 20};
        await replicate.run(
            'local/never-ends', {input: {}, wait, signal: stop.signal},
            (prediction) => { id = prediction.id; stop.abort(); });
        give((await replicate.predictions.get(id)).status);
    """
    assert node(lines) == "canceled"


def test_a_failed_run_throws_with_its_reason(node):
    lines = """
        try { await replicate.run('local/fails-midway', {input: {}}); give(''); }
        catch (error) { give(error.message); }
    """
    assert node(lines).startswith("Prediction failed: ")


def test_a_file_goes_in_and_comes_back_as_a_stream(node, picture):
    lines = """
        const image = await readFile(path);
        const output = await replicate.run('local/image-in-out', {input: {image}});
        const blob = await output.blob();
        give([blob.type, Buffer.from(await blob.arrayBuffer()).toString('base64'), String(output)]);
    """
    kind, content, url = node(lines, path=picture)
    assert kind == "image/png" and url.startswith("data:image/png;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (8, 8)


@pytest.mark.parametrize("form", ["new Blob([image])", "new File([image], 'red.png')"])
def test_a_blob_and_a_file_are_uploaded(node, picture, form):
    lines = f"""
        const image = await readFile(path);
        const output = await replicate.run('local/image-in-out', {{input: {{image: {form}}}}});
        give((await output.blob()).size > 0);
    """
    assert node(lines, path=picture) is True


def test_a_stream_gives_every_piece_without_a_token(node):
    lines = """
        const events = [];
        for await (const each of replicate.stream('local/counts', {input: {n: 3}}))
            events.push([each.event, String(each), Boolean(each.id)]);
        give(events);
    """
    events = node(lines)
    outputs = [text for event, text, _ in events if event == "output"]
    assert "".join(outputs) == "0 1 2 "
    assert events[-1][0] == "done" and all(has_id for _, _, has_id in events)


def test_text_with_any_line_breaks_arrives_as_it_was(node):
    pieces = ["a\n", "\n", "  b", "https://x", "c\r\nd"]
    lines = """
        let text = '';
        for await (const each of replicate.stream('local/says', {input: {pieces}}))
            if (each.event === 'output') text += String(each);
        give(text);
    """
    assert node(lines, pieces=pieces) == "".join(pieces).replace("\r\n", "\n")


def test_a_stream_of_what_fails_throws(node):
    lines = """
        try {
            for await (const each of replicate.stream('local/says', {input: {}})) {}
            give('');
        } catch (error) { give(error.message); }
    """
    assert "pieces" in node(lines)


def test_predictions_are_created_read_canceled_and_listed(node):
    lines = """
        const made = await replicate.predictions.create(
            {model: 'local/never-ends', input: {}});
        const stopped = await replicate.predictions.cancel(made.id);
        const page = await replicate.predictions.list();
        give([made.status, stopped.status, page.results.some((each) => each.id === made.id)]);
    """
    assert node(lines) == ["starting", "canceled", True]


def test_pages_are_walked_to_their_end(node):
    lines = """
        for (let n = 0; n < 250; n++)
            await replicate.predictions.create({model: 'local/echo', input: {text: `page ${n}`}});
        const seen = new Set();
        for await (const page of replicate.paginate(replicate.predictions.list))
            for (const each of page) seen.add(each.input.text);
        give([...Array(250).keys()].filter((n) => !seen.has(`page ${n}`)));
    """
    assert node(lines) == []


def test_a_webhook_is_told_and_its_signature_is_valid(node, receiver):
    lines = """
        await replicate.run('local/echo', {input: {text: 'hi'}, webhook: url,
                                           webhook_events_filter: ['completed']});
        give((await replicate.webhooks.default.secret.get()).key);
    """
    secret = node(lines, url=f"{receiver.url}/hook")
    (message,) = receiver.until(lambda messages: len(messages) == 1)
    headers = {name.lower(): value for name, value in message.headers.items()}
    lines = """
        const request = new Request('http://x/', {method: 'POST', headers, body});
        give([await validateWebhook(request, secret), await validateWebhook(
            {id: headers['webhook-id'], timestamp: headers['webhook-timestamp'],
             signature: headers['webhook-signature'], body: body + ' ', secret})]);
    """
    assert node(lines, headers=headers, body=message.body.decode(), secret=secret) == [True, False]


def test_models_are_listed_read_and_searched(node):
    lines = """
        const model = await replicate.models.get('local', 'echo');
        const versions = await replicate.models.versions.list('local', 'echo');
        const id = model.latest_version.id;
        const version = await replicate.models.versions.get('local', 'echo', id);
        const found = await replicate.models.search('echo');
        const listed = await replicate.models.list();
        give([model.name, version.id === versions.results[0].id,
              found.results[0].name, listed.results.length > 1]);
    """
    assert node(lines) == ["echo", True, "echo", True]


def test_files_are_kept_listed_and_deleted(node):
    lines = """
        const made = await replicate.files.create(
            new File(['hello'], 'hello.txt', {type: 'text/plain'}), {answer: 42});
        const read = await replicate.files.get(made.id);
        const listed = await replicate.files.list();
        const gone = await replicate.files.delete(made.id);
        give([made.size, made.content_type, read.metadata,
              listed.results.some((each) => each.id === made.id), gone]);
    """
    size, kind, metadata, listed, gone = node(lines)
    assert (size, kind.partition(";")[0], listed, gone) == (5, "text/plain", True, True)
    assert metadata == {"answer": 42}


def test_collections_hardware_and_the_account_are_read(node):
    lines = """
        const collections = await replicate.collections.list();
        const one = await replicate.collections.get(collections.results[0].slug);
        const hardware = await replicate.hardware.list();
        const account = await replicate.accounts.current();
        give([one.models.length > 0, hardware[0].sku.length > 0, account.name.length > 0]);
    """
    assert node(lines) == [True, True, True]


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("replicate.predictions.get('nothing')", 404),
        ("replicate.models.get('no', 'body')", 404),
        ("replicate.predictions.create({model: 'local/echo', input: {}})", 422),
        ("replicate.predictions.create({version: 'latest', input: {}})", 422),
        ("replicate.run('local/echo', {input: {text: 1, more: 2}})", 422),
    ],
)
def test_a_refusal_is_an_error_with_its_status_and_reason(node, call, status):
    lines = f"""
        try {{ await {call}; give(0); }}
        catch (error) {{ give([error.response.status, error.message]); }}
    """
    given, message = node(lines)
    assert given == status and '"detail"' in message
