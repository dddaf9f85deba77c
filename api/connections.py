"""What uvicorn has no limit for: how long a caller may take to say what it wants."""

from __future__ import annotations

import asyncio
import resource

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_TIMEOUT = 30.0
"""Seconds for a request's head, from its first byte or from when the caller has connected."""
MOST_OPEN = 65_536


class Connection(HttpToolsProtocol):
    """As uvicorn's own. One whose caller sends nothing, or a head without an end, is closed: each
    takes one of the files that this process may have open, until others cannot come in.
    """

    _hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._hurry is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._expect_nothing()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._hurry = self.loop.call_later(HEAD_TIMEOUT, self._give_up)

    def _give_up(self) -> None:
        # A request before this one is being answered: till then nothing more may be read at all.
        if self.cycle is not None and not self.cycle.response_complete:
            self._expect_head()
        else:
            self.transport.close()

    def _expect_nothing(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None


def allow_many() -> None:
    """Lets this process have as many files and connections open as the system permits it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    bounded = MOST_OPEN if most == resource.RLIM_INFINITY else min(most, MOST_OPEN)
    resource.setrlimit(resource.RLIMIT_NOFILE, (bounded, most))
