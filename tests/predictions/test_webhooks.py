"""Webhooks, sent to a real receiver."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from replicate.webhook import Webhooks as Validator
from replicate.webhook import WebhookSigningSecret

from predictions import webhooks
from predictions.files import Signer
from predictions.prediction import Prediction, Status
from predictions.store import new_id
from predictions.webhooks import WebhookSecret
from tests.receiver import receiving


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The same schedule, in less time."""
    monkeypatch.setattr(webhooks, "BETWEEN", 0.02)
    monkeypatch.setattr(webhooks, "RETRIES", (0.01, 0.02, 0.05))


async def heard(receiver, condition):
    return await asyncio.to_thread(receiver.until, condition)


def ended(messages):
    return messages and messages[-1].prediction["status"] in ("succeeded", "failed", "canceled")


async def settled(app):
    """Nothing is owed any more."""
    while await app.store.owing():
        await asyncio.sleep(0.01)


async def test_every_event_that_was_asked_for_is_told_and_the_end_comes_last(app, receiver):
    await app.run(
        "local/counts",
        {"n": 10, "delay": 0.05},
        webhook=f"{receiver.url}/hook?token=a%20b",
        webhook_events_filter=("start", "output", "completed"),
    )
    messages = await heard(receiver, ended)
    first, *middle, last = [message.prediction for message in messages]
    assert (first["status"], first["output"]) == ("processing", None)
    assert middle and all(each["status"] == "processing" and each["output"] for each in middle)
    assert (last["status"], len(last["output"])) == ("succeeded", 10)
    assert {message.path for message in messages} == {"/hook?token=a%20b"}


async def test_what_is_told_meanwhile_is_thinned_out(app, receiver, monkeypatch):
    monkeypatch.setattr(webhooks, "BETWEEN", 30)
    await app.run("local/counts", {"n": 20, "delay": 0.02}, webhook=receiver.url)
    messages = await heard(receiver, ended)
    assert [message.prediction["status"] for message in messages] == ["processing", "succeeded"]


@pytest.mark.parametrize("event", ["completed", "logs", "output"])
async def test_who_asked_for_one_kind_of_event_hears_of_the_last_change_too(app, receiver, event):
    last = await app.run("local/loud", {}, webhook=receiver.url, webhook_events_filter=(event,))

    def all_told(messages):
        told = messages[-1].prediction if messages else {}
        return told.get("logs" if event == "logs" else "output") == (
            last.logs if event == "logs" else last.output
        )

    messages = await heard(receiver, all_told)
    if event == "completed":
        assert len(messages) == 1


async def test_who_asked_for_the_start_hears_of_nothing_else(app, receiver):
    both = ("start", "completed")
    for events in (("start",), both):
        await app.run(
            "local/echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=events
        )
    await heard(receiver, ended)
    assert receiver.statuses == ["processing", "processing", "succeeded"]


async def test_a_cancel_before_the_start_is_told_too(app, receiver):
    running = await app.service.create("local/never-ends", {})
    created = await app.service.create("local/never-ends", {}, webhook=receiver.url)
    await app.service.cancel(created.id)
    messages = await heard(receiver, ended)
    assert [message.prediction["status"] for message in messages] == ["canceled"]
    await app.service.cancel(running.id)


async def test_a_message_is_signed_as_the_official_validator_wants_it(app, receiver):
    await app.run("local/echo", {"text": "ä"}, webhook=receiver.url)
    (message,) = await heard(receiver, ended)
    secret = WebhookSigningSecret(key=app.service.webhooks.secret.newest())
    Validator.validate(headers=message.headers, body=message.body.decode(), secret=secret)
    assert message.headers["Content-Type"] == "application/json"


def test_a_rotated_secret_signs_with_both_keys_and_stays(tmp_path):
    path = tmp_path / "secret"
    old = WebhookSecret(path).newest()
    assert WebhookSecret(path).newest() == old and old.count("_") == 1
    new = WebhookSecret(tmp_path / "other").newest()
    path.write_text(f"{new}\n{old}\n")
    both = WebhookSecret(path)
    assert both.newest() == new
    headers = both.headers("msg_1", 1_700_000_000, b"{}")
    for key in (old, new):
        Validator.validate(headers=headers, body="{}", secret=WebhookSigningSecret(key=key))


@pytest.mark.parametrize("made_by", [WebhookSecret, Signer])
def test_a_key_that_was_half_made_when_the_app_was_killed_is_made_anew(tmp_path, made_by):
    path = tmp_path / "key"
    path.write_bytes(b"")
    made_by(path)
    key = path.read_bytes()
    assert len(key) >= 32 and path.stat().st_mode & 0o777 == 0o600
    made_by(path)
    assert path.read_bytes() == key and list(tmp_path.iterdir()) == [path]


async def test_the_end_is_told_again_until_it_is_heard_and_is_the_same_message(app, receiver):
    receiver.answers = [500, 404, 302]
    await app.run(
        "local/echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=("completed",)
    )
    messages = await heard(receiver, lambda messages: len(messages) == 4)
    assert len({message.headers["webhook-id"] for message in messages}) == 1
    assert {message.path for message in messages} == {"/"}
    await settled(app)


async def test_what_nobody_hears_is_given_up_in_the_end(app, receiver, capsys):
    receiver.answers = [500] * 4
    ended = await app.run(
        "local/echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=("completed",)
    )
    await heard(receiver, lambda messages: len(messages) == 4)
    await settled(app)
    assert f"never heard of the end of {ended.id}: it answered 500" in capsys.readouterr().err


async def test_an_end_that_was_not_heard_is_told_after_a_restart(start, receiver, monkeypatch):
    monkeypatch.setattr(webhooks, "RETRIES", (300,))
    app = await start()
    receiver.answers = [503]
    created = await app.run(
        "local/echo", {"text": "a"}, webhook=receiver.url, webhook_events_filter=("completed",)
    )
    await heard(receiver, ended)
    app = await start()
    messages = await heard(receiver, lambda messages: len(messages) == 2)
    assert messages[0].headers[
        "Webhook-Id" if "Webhook-Id" in messages[0].headers else "webhook-id"
    ]
    assert [message.prediction["id"] for message in messages] == [created.id] * 2
    await settled(app)


async def test_who_is_being_told_of_an_end_when_the_app_stops_is_not_told_again(
    start, receiver, monkeypatch
):
    monkeypatch.setattr(webhooks, "LAST_WORDS", 60)
    app = await start()
    receiver.answering.clear()
    only_the_end = {"webhook": receiver.url, "webhook_events_filter": ("completed",)}
    await app.run("local/echo", {"text": "a"}, **only_the_end)
    await heard(receiver, ended)
    stopping = asyncio.create_task(start.stop())
    await asyncio.sleep(0)  # it has begun
    receiver.answering.set()
    await stopping
    app = await start()
    assert not await app.store.owing()
    assert receiver.statuses == ["succeeded"]


async def test_a_receiver_that_never_answers_keeps_nobody_from_stopping(
    start, receiver, monkeypatch
):
    monkeypatch.setattr(webhooks, "LAST_WORDS", 0.05)
    app = await start()
    receiver.answering.clear()
    only_the_end = {"webhook": receiver.url, "webhook_events_filter": ("completed",)}
    await app.run("local/echo", {"text": "a"}, **only_the_end)
    await heard(receiver, ended)
    await start.stop()
    receiver.answering.set()
    app = await start()
    await heard(receiver, lambda messages: len(messages) == 2)
    await settled(app)


async def test_what_a_kill_has_interrupted_is_told_of_once_and_not_begun_again(start, receiver):
    app = await start()
    version = app.service.catalog.resolve("local/echo").id
    interrupted = [
        Prediction(
            id=new_id(),
            model="local/echo",
            version=version,
            input={"text": "x"},
            created_at=time.time(),
            started_at=time.time(),
            status=Status.PROCESSING,
            webhook=receiver.url,
        )
        for _ in range(20)
    ]
    for prediction in interrupted:
        await app.store.save(prediction)
    app = await start()
    for prediction in interrupted:
        await app.end(prediction)
    await heard(receiver, lambda messages: len(messages) >= len(interrupted))
    await settled(app)
    told = sorted(each.prediction["id"] for each in receiver.messages)
    assert told == sorted(each.id for each in interrupted)
    assert set(receiver.statuses) == {"failed"}


async def test_a_receiver_that_never_answers_holds_up_nobody(app, receiver):
    receiver.answering.clear()
    slow = await app.run("local/counts", {"n": 3}, webhook=receiver.url)
    assert slow.status is Status.SUCCEEDED
    with receiving() as other:
        await app.run("local/echo", {"text": "a"}, webhook=other.url)
        assert ended(await heard(other, ended))


async def test_an_address_inside_the_network_hears_nothing_unless_it_is_allowed(
    start, receiver, capsys
):
    app = await start(private=False)
    await app.run("local/echo", {"text": "a"}, webhook=receiver.url)
    await settled(app)
    assert "--allow-private-webhooks" in capsys.readouterr().err
    assert receiver.messages == []


async def test_an_answer_without_end_is_not_read(app):
    """The receiver takes the message and then goes on and on."""
    left = asyncio.Event()

    async def answer(reader, writer):
        with contextlib.closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            await reader.readexactly(size)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b"x" * 65536)
                    await writer.drain()
        left.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as receiver:
        port = receiver.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/"
        await app.run(
            "local/echo", {"text": "a"}, webhook=url, webhook_events_filter=("completed",)
        )
        await settled(app)
        await asyncio.wait_for(left.wait(), 60)


async def test_an_answer_that_trickles_in_is_given_up(app, monkeypatch, capsys):
    monkeypatch.setattr(webhooks, "TIMEOUT", 0.2)
    left = asyncio.Event()

    async def answer(reader, writer):
        first = True
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"HTTP/1.1 200 OK\r\n" if first else b"X: y\r\n")
                first = False
                await writer.drain()
                await asyncio.sleep(0.01)
        left.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as receiver:
        url = f"http://127.0.0.1:{receiver.sockets[0].getsockname()[1]}/"
        await app.run(
            "local/echo", {"text": "a"}, webhook=url, webhook_events_filter=("completed",)
        )
        await settled(app)
        await asyncio.wait_for(left.wait(), 60)
    assert "did not answer" in capsys.readouterr().err
