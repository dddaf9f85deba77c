"""A real server that remembers what it was asked: what a client puts on the wire is looked at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.api.conftest import Server


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: Headers
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RecordingServer(Server):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.requests: list[Asked] = []

    def taken(self) -> list[Asked]:
        """What was asked since this was last called."""
        taken, self.requests = self.requests, []
        return taken

    def _application(self) -> ASGIApp:
        inner = super()._application()

        async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await inner(scope, receive, send)
                return
            asked = Asked(scope["method"], scope["path"], Headers(scope=scope))
            self.requests.append(asked)

            async def noted() -> Message:
                message = await receive()
                asked.body += message.get("body", b"")
                return message

            await inner(scope, noted, send)

        return recorded
