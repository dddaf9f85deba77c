"""Predictions as Cog's own server writes them: as JSON, in webhooks, and as server-sent events."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from predictions.files import Files
from predictions.prediction import Prediction, Status
from predictions.references import references, replaced


class CogRendering:
    """Files are `data:` URIs, as the original's are where it has nowhere to upload them to."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def shown(self, prediction: Prediction) -> dict[str, Any]:
        body: dict[str, Any] = {
            "id": prediction.called or prediction.id,
            "status": _status(prediction),
        }
        output = await self.value(prediction.output)
        if output is not None:
            body["output"] = output
        if prediction.error is not None:
            body["error"] = prediction.error
        if prediction.status is not Status.STARTING:
            body |= {"logs": prediction.logs, "metrics": _metrics(prediction)}
        return body

    async def value(self, value: Any) -> Any:
        found = references(value)
        if not found:
            return value
        uris = {reference: await self._uri(reference) for reference in found}
        return replaced(value, uris.__getitem__)

    async def _uri(self, reference: str) -> str:
        file = await self._files.get(reference)
        content = await asyncio.to_thread(self._files.path(file).read_bytes)
        return f"data:{file.content_type};base64,{base64.b64encode(content).decode()}"

    async def webhook_body(self, prediction: Prediction) -> bytes:
        return msgspec.json.encode(await self.shown(prediction))


class Events:
    """One reader's events: of each snapshot what the ones before have not said."""

    def __init__(self, rendering: CogRendering) -> None:
        self._rendering = rendering
        self._started = False
        self._pieces = 0
        self._logs = 0
        self._metrics: dict[str, Any] = {}

    async def of(self, snapshot: Prediction) -> AsyncIterator[bytes]:
        name = snapshot.called or snapshot.id
        if not self._started:
            self._started = True
            yield _frame("start", {"id": name, "status": "starting"})
        if new := snapshot.logs[self._logs :]:
            yield _frame("log", {"source": "stdout", "data": new})
        self._logs = len(snapshot.logs)
        for metric, value in _leaves(snapshot.metrics):
            if self._metrics.get(metric, ...) != value:
                self._metrics[metric] = value
                yield _frame("metric", {"name": metric, "value": value, "mode": "replace"})
        pieces = snapshot.output if isinstance(snapshot.output, list | tuple) else ()
        for index in range(self._pieces, len(pieces)):
            chunk = await self._rendering.value(pieces[index])
            yield _frame("output", {"chunk": chunk, "index": index})
        self._pieces = max(self._pieces, len(pieces))
        if snapshot.status.terminal:
            yield _frame("completed", await self._rendering.shown(snapshot))


def _frame(event: str, data: Any) -> bytes:
    return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def _leaves(metrics: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Figures by their dotted names."""
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _status(prediction: Prediction) -> str:
    """A deadline is none of Cog's words, and nothing here sets one."""
    return "canceled" if prediction.status is Status.ABORTED else prediction.status.value


def _metrics(prediction: Prediction) -> dict[str, Any]:
    metrics = dict(prediction.metrics)
    if prediction.predict_time is not None:
        metrics["predict_time"] = prediction.predict_time
    return metrics
