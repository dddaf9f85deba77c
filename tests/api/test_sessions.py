"""The cookie by which the page's visitors are told apart."""

from __future__ import annotations

import httpx
import pytest
from starlette.responses import PlainTextResponse

from api.sessions import Sessions
from predictions.callers import SESSION_COOKIE


async def cookie_for(path, sent):
    """What the answer sets, to somebody who sends these cookies."""
    transport = httpx.ASGITransport(Sessions(PlainTextResponse("the page")))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        answer = await client.get(path, headers={"Cookie": sent} if sent else {})
    assert answer.status_code == 200
    return answer.headers.get("set-cookie", "")


@pytest.mark.parametrize(
    "sent", ["", "other=1", "me@host/x=1", "a,b=1; [c]=2", f"{SESSION_COOKIE}="]
)
async def test_who_comes_without_one_is_given_one(sent):
    given = await cookie_for("/", sent)
    assert given.startswith(f"{SESSION_COOKIE}=") and "HttpOnly" in given


@pytest.mark.parametrize("before", ["", "other=1; ", "me@host/x=1; ", "[c]=2; "])
async def test_who_has_one_keeps_it_whatever_else_the_host_has_set(before):
    assert await cookie_for("/", f"{before}{SESSION_COOKIE}=mine") == ""


@pytest.mark.parametrize("path", ["/v1/account", "/openai/v1/models"])
async def test_the_api_sets_none(path):
    assert await cookie_for(path, "") == ""
