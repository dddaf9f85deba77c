from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from api.errors import InvalidBody
from api.headers import MAX_HOLD, allowed_seconds, held_seconds


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ([], None),
        (["wait"], MAX_HOLD),
        (["Wait"], MAX_HOLD),
        (["wait=5"], 4.9),
        (["wait = 5"], 4.9),
        (["wait=1"], 0.9),
        (["wait=60"], MAX_HOLD),
        (["wait=120"], MAX_HOLD),
        (["respond-async, wait=10"], 9.9),
        (["return=minimal", "wait=10; x=1"], 9.9),
        (["wait=0"], None),
        (["wait=" + "9" * 5000], MAX_HOLD),
        (["wait=soon"], None),
        (["waiting"], None),
    ],
)
def test_prefer_says_how_long_an_answer_is_held(prefer, seconds):
    headers = Headers(raw=[(b"prefer", each.encode()) for each in prefer])
    assert held_seconds(headers) == seconds


@pytest.mark.parametrize(("timeout", "seconds"), [("60", 55), ("20", 15), ("3", 0), ("no", 55)])
def test_an_answer_arrives_before_a_stainless_client_gives_up(timeout, seconds):
    headers = Headers({"prefer": "wait", "x-stainless-read-timeout": timeout})
    assert held_seconds(headers) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("30s", 30), ("5m", 300), ("2h30m", 9000), ("1h30m45s", 5445), ("5", 5)],
)
def test_cancel_after_is_read_as_a_duration(text, seconds):
    assert allowed_seconds(Headers({"cancel-after": text})) == seconds


@pytest.mark.parametrize("text", ["4", "4s", "", "0", "soon", "-30", "5 m", "1d", "30s5m", "٣٠"])
def test_a_cancel_after_that_is_too_short_or_no_duration_is_refused(text):
    with pytest.raises(InvalidBody, match="at least 5 seconds"):
        allowed_seconds(Headers(raw=[(b"cancel-after", text.encode("utf-8"))]))
