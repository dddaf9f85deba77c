"""Tells those who asked what becomes of a prediction: signed, throttled, and the end until it is
heard, over a restart too.

What is owed lies in the store, written with the end of the prediction in one transaction. Knows no
JSON of its own: the body is what `render` gives, the very bytes that are signed.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
from msgspec.structs import replace

from errors import AtelierError
from predictions import keys, outgoing
from predictions.prediction import Prediction, Status
from predictions.store import Store, new_id

BETWEEN = 0.5
"""Seconds between two messages that only say that there is more (contract §6)."""
RETRIES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before each further try to deliver the end: the last is a minute after it."""
TIMEOUT = 10.0
"""Seconds that a receiver has for its whole answer, of which only the status is read."""
LAST_WORDS = 2.0
"""Seconds that it has left of them once the app is to end."""

Render = Callable[[Prediction], bytes | Awaitable[bytes]]


class WebhookSecret:
    """What messages are signed with, kept in the file `path`: a key a line, the newest first.

    Whoever rotates it puts a new line on top; both sign until the old one is taken out. Each owner
    of predictions has keys of their own that follow from these, lest one sign in another's name.
    """

    def __init__(self, path: Path) -> None:
        def make() -> bytes:
            # One underscore, and standard base64: Python's client splits at the one, Node's reads
            # only the other.
            return b"whsec_" + base64.b64encode(os.urandom(24)) + b"\n"

        self._keys = tuple(keys.kept(path, make).decode().split())

    def newest(self, owner: str = "") -> str:
        """What the messages to an owner are signed with, as the clients' validators take it."""
        key = _bytes(self._keys[0], owner)
        return f"whsec_{base64.b64encode(key).decode()}"

    def headers(
        self, message_id: str, timestamp: int, body: bytes, owner: str = ""
    ) -> dict[str, str]:
        """Of one message, as https://www.standardwebhooks.com has them; `timestamp` is in Unix
        seconds.
        """
        signed = f"{message_id}.{timestamp}.".encode() + body
        signatures = [
            base64.b64encode(hmac.digest(_bytes(key, owner), signed, "sha256"))
            for key in self._keys
        ]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(f"v1,{each.decode()}" for each in signatures),
        }


def _bytes(key: str, owner: str) -> bytes:
    """A key's bytes; those of the key of an owner, if there is one."""
    root = base64.b64decode(key.partition("_")[2])
    return hmac.digest(root, f"webhooks of {owner}".encode(), "sha256") if owner else root


class Webhooks:
    """`render` gives the body that tells of a prediction. `allow_private` lets messages go to
    addresses of this machine and its network.
    """

    def __init__(
        self, store: Store, secret: WebhookSecret, render: Render, allow_private: bool = False
    ) -> None:
        self.secret = secret
        self._store = store
        self.render = render
        self._telling: set[asyncio.Task[str | None]] = set()
        self._leaving = False
        # No limit on connections: one receiver that never answers must not hold up the others.
        self._client = outgoing.client(
            allow_private, timeout=TIMEOUT, limits=httpx.Limits(max_connections=None)
        )

    async def finish(self) -> None:
        """Hears out who is being told of an end: cut off now, it would be told again after a
        restart. Nobody else is told of one any more.
        """
        self._leaving = True
        if self._telling:
            await asyncio.wait(self._telling, timeout=LAST_WORDS)

    async def close(self) -> None:
        await self._client.aclose()

    async def attend(
        self,
        snapshots: AsyncIterator[Prediction],
        wait: Callable[[str, float], Awaitable[Prediction]],
        told: Prediction | None = None,
    ) -> None:
        """Tells of one prediction from now to its end. `wait(id, seconds)` returns early at its
        end. `told`: as it was when a former run of the app told of it.
        """
        due = 0.0
        async for prediction in snapshots:
            if prediction.status is not Status.PROCESSING and not prediction.status.terminal:
                continue
            if prediction.started_at and told is None:
                if prediction.wants("start"):
                    await self._send(_as_started(prediction), new_id())
                told = _as_started(prediction)
            if prediction.status.terminal:
                if not prediction.wants("completed") and _has_news(told, prediction):
                    await self._send(prediction, new_id())
                elif prediction.wants("completed"):
                    await self.complete(prediction)
                return
            if not _has_news(told, prediction):
                continue
            if (left := due - time.monotonic()) > 0:
                prediction = await wait(prediction.id, left)
                if prediction.status.terminal:
                    continue  # the next snapshot is the same, and is dealt with above
            due = time.monotonic() + BETWEEN
            await self._send(prediction, new_id())
            told = prediction

    async def complete(self, prediction: Prediction) -> None:
        """Delivers the end of a prediction, trying again for a minute."""
        refusal: str | None = ""
        for delay in (0.0, *RETRIES):
            await asyncio.sleep(delay)
            if self._leaving:
                return
            telling = asyncio.create_task(self._tell_end(prediction))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)
            refusal = await telling
            if refusal is None:
                return
        print(
            f"atelier: {prediction.webhook} never heard of the end of {prediction.id}: {refusal}",
            file=sys.stderr,
        )
        self._store.settle_webhook(prediction.id)

    async def _tell_end(self, prediction: Prediction) -> str | None:
        refusal = await self._send(prediction, prediction.id)
        if refusal is None:
            self._store.settle_webhook(prediction.id)
        return refusal

    async def _send(self, prediction: Prediction, name: str) -> str | None:
        """One try; None if the receiver has taken it, else why not."""
        rendered = self.render(prediction)
        body = rendered if isinstance(rendered, bytes) else await rendered
        headers = {"Content-Type": "application/json", "User-Agent": "Atelier"}
        headers |= self.secret.headers(f"msg_{name}", int(time.time()), body, prediction.owner)
        try:
            status = await asyncio.wait_for(self._post(prediction, body, headers), TIMEOUT)
        except asyncio.TimeoutError:
            return f"it did not answer within {TIMEOUT:.0f} s"
        except (httpx.HTTPError, httpx.InvalidURL, AtelierError, ValueError) as error:
            return str(error) or type(error).__name__
        return None if 200 <= status < 300 else f"it answered {status}"

    async def _post(self, prediction: Prediction, body: bytes, headers: dict[str, str]) -> int:
        url = prediction.webhook or ""
        # Nobody reads what it answers: there may be no end to it.
        async with self._client.stream("POST", url, content=body, headers=headers) as answer:
            return answer.status_code


def _as_started(prediction: Prediction) -> Prediction:
    """As it was when it started: a run may be over before the message that it began is out."""
    return replace(
        prediction,
        status=Status.PROCESSING,
        output=None,
        logs="",
        error=None,
        metrics={},
        completed_at=None,
        predict_time=None,
        cost=None,
    )


def _has_news(told: Prediction | None, prediction: Prediction) -> bool:
    """Whether there is more of what the receiver wants to hear of."""
    return (
        prediction.wants("output")
        and prediction.output not in (None, ())
        and (told is None or prediction.output != told.output)
    ) or (prediction.wants("logs") and prediction.logs != (told.logs if told else ""))
