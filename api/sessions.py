"""Tells the page's visitors apart: a cookie of random letters, set with the first answer."""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from predictions.callers import SESSION_COOKIE

_YEAR = 365 * 86400
_NOT_THE_PAGE = ("/v1", "/openai/")


class Sessions:
    """An ASGI app around another. What the API answers carries no cookie."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_NOT_THE_PAGE):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        # Leniently, as the page reads them: others on the same host set cookies, too.
        if cookie_parser(headers.get("cookie", "")).get(SESSION_COOKIE):
            await self._app(scope, receive, send)
            return
        forwarded = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip()
        cookie = f"{SESSION_COOKIE}={secrets.token_urlsafe(24)}; Path=/; Max-Age={_YEAR}; HttpOnly"
        if "https" in (scope["scheme"], forwarded):
            # A Space is shown inside another site's page, which only such a cookie survives.
            cookie += "; SameSite=None; Secure; Partitioned"
        else:
            cookie += "; SameSite=Lax"

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        await self._app(scope, receive, with_cookie)
