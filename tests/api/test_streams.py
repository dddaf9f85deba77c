from __future__ import annotations

import pytest
from msgspec.structs import replace
from replicate.stream import EventSource
from starlette.requests import Request

from api import streams
from api.links import Links, prediction_of_token, stream_token
from cog.encoding import FILE
from predictions.files import Signer
from predictions.prediction import Prediction, Status


@pytest.fixture
def signer(tmp_path):
    return Signer(tmp_path / "key")


@pytest.fixture
def events(signer):
    return streams.Events(Links("http://here", signer), streams._UNICODE_BREAKS)


def decoded(*frames: bytes):
    """What the official Python client reads: it splits lines as str.splitlines does."""
    decoder = EventSource.Decoder()
    found = [decoder.decode(line) for line in b"".join(frames).decode().splitlines()]
    return [(each.event.value, each.id.partition(":")[2], each.data) for each in found if each]


@pytest.mark.parametrize(
    ("piece", "data"),
    [
        ("word", "word"),
        (" leading", " leading"),
        ("", ""),
        ("\n", "\n"),
        ("a\nb\n", "a\nb\n"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei", "a\nb\nc\nd\ne\nf\ng\nh\ni"),
        ("späße 🦊", "späße 🦊"),
        ({FILE: "abc/a b.png"}, "http://here/v1/outputs/abc/a%20b.png"),
        (7, "7"),
        ({"a": [1]}, '{"a":[1]}'),
    ],
)
def test_a_piece_reaches_the_python_client_whole(events, piece, data):
    assert decoded(*events.outputs([piece], 0)) == [("output", "0", data)]


def test_only_the_python_client_gets_lines_cut_at_unicode_separators(signer):
    events = streams.Events(Links("http://here", signer), streams._BREAKS)
    assert "data: a\u2028b\n\n" in b"".join(events.outputs(["a\u2028b"], 0)).decode()


@pytest.mark.parametrize("piece", ["https://a.example", "data:x", "data:"])
def test_text_that_looks_like_a_file_is_cut_after_its_first_letter(events, piece):
    first, rest = decoded(*events.outputs(["-", piece], 1))
    assert first == ("output", "0", piece[0]), "an id is only given for what has been sent whole"
    assert rest == ("output", "1", piece[1:])


def test_a_long_output_is_written_as_it_is_read(events):
    pieces = ["x" * 10_000] * 100
    written = list(events.outputs(pieces, 0))
    assert max(map(len, written)) < 100_000
    assert len(decoded(*written)) == 100


def test_pieces_are_numbered_from_the_start_of_the_output(events):
    assert decoded(*events.outputs(["a", "b", "c"], 1)) == [
        ("output", "1", "b"),
        ("output", "2", "c"),
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.SUCCEEDED, [("done", "3", "{}")]),
        (Status.CANCELED, [("done", "3", '{"reason":"canceled"}')]),
        (Status.ABORTED, [("done", "3", '{"reason":"canceled"}')]),
        (
            Status.FAILED,
            [("error", "3", '{"detail":"no\\u2028way"}'), ("done", "3", '{"reason":"error"}')],
        ),
    ],
)
def test_every_end_has_its_frames(events, status, expected):
    ended = Prediction(id="p", model="a/b", version="v", input={}, created_at=0.0, status=status)
    ended = replace(ended, error="no\u2028way" if status is Status.FAILED else None)
    assert decoded(events.ending(ended, 3)) == expected


def test_silence_is_filled_with_heartbeats_until_the_end(http, monkeypatch):
    monkeypatch.setattr(streams, "HEARTBEAT", 0.01)
    waiting = http.create("local/counts", {"n": 100_000, "delay": 10})
    with http.stream("GET", waiting["urls"]["stream"]) as response:
        lines = response.iter_lines()
        comments = [next(line for line in lines if line.startswith(":")) for _ in range(3)]
        http.post(waiting["urls"]["cancel"])
        rest = [line for line in lines if line.startswith("event")]
    assert set(comments) == {": keepalive"}
    assert rest[-1] == "event: done"


def test_a_stream_opens_for_its_own_token_only(signer):
    token = stream_token(signer, "abc")
    assert "/" not in token
    assert prediction_of_token(signer, token) == "abc"
    assert prediction_of_token(signer, "abd" + token[3:]) is None
    assert prediction_of_token(signer, token[:-1]) is None
    assert prediction_of_token(signer, "ä") is None


# --- over HTTP


def read(http, prediction, **headers):
    with http.stream("GET", prediction["urls"]["stream"], headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        return decoded(response.read())


def test_a_stream_replays_all_follows_and_ends(http):
    prediction = http.create("local/counts", {"n": 50})
    live = read(http, prediction)
    assert [event for event, _, _ in live] == ["output"] * 50 + ["done"]
    assert read(http, prediction) == live


def test_a_stream_resumes_after_the_last_event_that_was_seen(http):
    prediction = http.run("local/counts", {"n": 10})
    everything = read(http, prediction)
    assert read(http, prediction, **{"Last-Event-ID": "1700000000:6"}) == everything[7:]
    assert read(http, prediction, **{"Last-Event-ID": "1700000000:-1"}) == everything
    assert read(http, prediction, **{"Last-Event-ID": "what"}) == everything
    assert read(http, prediction, **{"Last-Event-ID": "1700000000:10"}) == everything[-1:]


def test_a_failure_ends_the_stream_after_the_pieces_there_were(http):
    events = read(http, http.create("local/fails-midway", {}))
    assert [event for event, _, _ in events][-3:] == ["output", "error", "done"]


def test_a_model_that_does_not_stream_has_no_stream(http):
    assert "stream" not in http.run("local/echo", {"text": "a"})["urls"]


def test_an_unknown_stream_is_a_problem_document(http):
    response = http.get("streams/abc.def")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_a_reader_that_leaves_harms_nobody(http):
    prediction = http.create("local/counts", {"n": 2000})
    with http.stream("GET", prediction["urls"]["stream"]) as response:
        next(response.iter_lines())
    assert len(read(http, prediction)) == 2001


async def test_a_stream_ends_once_its_reader_has_left(monkeypatch):
    monkeypatch.setattr(streams, "_LOOK_EVERY", 0.0)
    messages = [{"type": "http.request", "body": b"", "more_body": False}]
    ended = []

    async def frames():
        try:
            while True:
                yield b": keepalive\n\n"
        finally:
            ended.append(True)

    async def receive():
        return messages.pop() if messages else {"type": "http.disconnect"}

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "headers": []}
    response = streams._EventStream(Request(scope, receive), frames(), {})
    await response(scope, receive, send)
    assert ended and [each["type"] for each in sent] == [
        "http.response.start",
        "http.response.body",
    ]
