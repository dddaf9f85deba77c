"""The page's document in few bytes: it holds all that Gradio draws first, and Gradio compresses
only what is asked for by a name with an ending.
"""

from __future__ import annotations

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_LEVEL = 5
"""A tenth of its size in some milliseconds; higher levels take longer for little."""


class CompressedPage:
    """An ASGI app around another, of whose answers only `/` is compressed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressed = GZipMiddleware(app, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and scope["path"] == "/"
        await (self._compressed if is_page else self._app)(scope, receive, send)
