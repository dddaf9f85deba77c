"""The page's document is compressed, and nothing else is."""

from __future__ import annotations

import httpx
import pytest
from starlette.responses import PlainTextResponse

from api.compressed_page import CompressedPage

TEXT = "the page " * 1000


async def answer(path):
    transport = httpx.ASGITransport(CompressedPage(PlainTextResponse(TEXT)))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        return await client.get(path)


async def test_the_page_comes_in_few_bytes():
    page = await answer("/?model=a/b")
    assert int(page.headers["content-length"]) < len(TEXT) / 10
    assert page.text == TEXT


@pytest.mark.parametrize("path", ["/v1/models", "/gradio_api/queue/data", "/file.png"])
async def test_nothing_else_is_touched(path):
    assert "content-encoding" not in (await answer(path)).headers
