"""A prediction's output as server-sent events: all from the start, what comes, then `done`."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.links import LinkMaker, Links, prediction_of_token
from errors import NotFound
from predictions.prediction import Prediction, Status
from predictions.references import reference_of, replaced
from predictions.service import PredictionService

HEARTBEAT = 10.0
"""Seconds of silence after which a comment goes out: clients give up after 30."""
_LOOK_EVERY = 1.0
"""Seconds between looks for whether a reader is still there; in silence, at each heartbeat."""

_ENDINGS = {
    Status.SUCCEEDED: "{}",
    Status.FAILED: '{"reason":"error"}',
    Status.CANCELED: '{"reason":"canceled"}',
    Status.ABORTED: '{"reason":"canceled"}',
}

# What ends a line. Python's client 1.x also cuts at Unicode's separators and loses what follows.
_BREAKS = re.compile("\r\n|\r|\n")
_UNICODE_BREAKS = re.compile("\r\n|[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")

# Text that begins like this would be taken for a file by clients.
_FILE_LIKE = ("https:", "data:")

# Letters of frames that are made before a reader has taken those before.
_AT_A_TIME = 1 << 16

_NEXT_LINE = "\ndata: "

_LAST_EVENT = re.compile(r"\d+:(-?\d{1,9})", re.ASCII)


class Streams:
    def __init__(self, service: PredictionService, link_maker: LinkMaker) -> None:
        self._service = service
        self._link_maker = link_maker

    async def open(self, request: Request) -> Response:
        token = request.path_params["token"]
        prediction_id = prediction_of_token(self._service.signer, token)
        if prediction_id is None:
            raise NotFound("Stream", token)
        await self._service.get(prediction_id)
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        if request.method == "HEAD":
            return Response(headers=headers, media_type="text/event-stream")
        legacy = request.headers.get("user-agent", "").startswith("replicate-python/1")
        events = Events(self._link_maker.links(request), _UNICODE_BREAKS if legacy else _BREAKS)
        frames = self._frames(prediction_id, events, _resume_at(request))
        return _EventStream(request, frames, headers)

    async def _frames(
        self, prediction_id: str, events: Events, sent: int
    ) -> AsyncGenerator[bytes, None]:
        async for snapshot in with_heartbeats(self._service, prediction_id, HEARTBEAT):
            if snapshot is None:
                yield b": keepalive\n\n"
                continue
            pieces = _pieces(snapshot.output)
            for frames in events.outputs(pieces, sent):
                yield frames
            sent = max(sent, len(pieces))
            if snapshot.status.terminal:
                yield events.ending(snapshot, len(pieces))


class _EventStream(Response):
    """Starlette's streams keep two tasks each; of these many may wait, so they look up now and then
    whether their reader is still there.
    """

    media_type = "text/event-stream"

    def __init__(
        self, request: Request, frames: AsyncGenerator[bytes, None], headers: dict[str, str]
    ) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._request = request
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = self.raw_headers
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        looked = 0.0
        async with contextlib.aclosing(self._frames):
            async for frame in self._frames:
                if (now := time.monotonic()) >= looked + _LOOK_EVERY:
                    looked = now
                    if await self._request.is_disconnected():
                        return
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Events:
    """Writes frames. The n-th piece of an output has the id `<unix seconds>:<n>`."""

    def __init__(self, links: Links, breaks: re.Pattern[str]) -> None:
        self._links = links
        self._break = breaks.sub

    def outputs(self, pieces: Sequence[Any], start: int) -> Iterator[bytes]:
        """The frames of all pieces from `start` on, no more at a time than a slow reader may hold
        in memory.
        """
        now = int(time.time())
        frames: list[str] = []
        size = 0
        for number in range(start, len(pieces)):
            frames.append(self._output(pieces[number], now, number))
            size += len(frames[-1])
            if size >= _AT_A_TIME or number == len(pieces) - 1:
                yield "".join(frames).encode()
                frames, size = [], 0

    def _output(self, piece: Any, now: int, number: int) -> str:
        first = ""
        if not isinstance(piece, str):
            piece = self._text(piece)
        elif piece.startswith(_FILE_LIKE):
            # The first letter carries the id of the piece before: a client that loses the
            # connection here gets this piece again, whole.
            first = f"event: output\nid: {now}:{number - 1}\ndata: {piece[0]}\n\n"
            piece = piece[1:]
        return (
            f"{first}event: output\nid: {now}:{number}\ndata: {self._break(_NEXT_LINE, piece)}\n\n"
        )

    def ending(self, prediction: Prediction, number: int) -> bytes:
        identity = f"id: {int(time.time())}:{number}"
        frame = ""
        if prediction.status is Status.FAILED:
            frame = f"event: error\n{identity}\ndata: {_json({'detail': prediction.error})}\n\n"
        return f"{frame}event: done\n{identity}\ndata: {_ENDINGS[prediction.status]}\n\n".encode()

    def _text(self, piece: Any) -> str:
        if (reference := reference_of(piece)) is not None:
            return self._links.output(reference)
        return _json(replaced(piece, self._links.output))


def _json(value: Any) -> str:
    """All in ASCII, so that nothing in it ends a line."""
    return json.dumps(value, separators=(",", ":"))


async def with_heartbeats(
    service: PredictionService, prediction_id: str, seconds: float
) -> AsyncIterator[Prediction | None]:
    """Each snapshot as it comes, and None whenever `seconds` have passed without one."""
    snapshot = await service.get(prediction_id)
    yield snapshot
    while not snapshot.status.terminal:
        newer = await service.newer(snapshot, seconds)
        yield None if newer is snapshot else newer
        snapshot = newer


def _pieces(output: Any) -> Sequence[Any]:
    if output is None:
        return ()
    return output if isinstance(output, (list, tuple)) else (output,)


def _resume_at(request: Request) -> int:
    """The number of the first piece that the client has not got."""
    last = _LAST_EVENT.fullmatch(request.headers.get("last-event-id", ""))
    return max(0, int(last[1]) + 1) if last else 0
