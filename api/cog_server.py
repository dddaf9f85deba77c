"""The routes of Cog's own HTTP server, for one model: what `cog predict`'s clients speak.

Where the original answers 409 because it is busy, this one queues.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from api.bodies import answer
from api.cog_bodies import Asked, install, read, refusal
from api.cog_rendering import CogRendering, Events
from api.rendering import timestamp
from api.streams import HEARTBEAT, with_heartbeats
from cog import __version__ as cog_version
from errors import BrokenModel, CannotKeep
from model_registry.spec import Version
from predictions.prediction import Prediction
from predictions.service import PredictionService
from workers.reservations import Reservation
from workers.standing import Setup, State

HEALTH_SECONDS = 5.0
"""How long a model's own health check may take."""

_STATES = {
    State.STARTING: "STARTING",
    State.READY: "READY",
    State.BUSY: "BUSY",
    State.FAILED: "SETUP_FAILED",
}


def build(
    service: PredictionService, model: str, rendering: CogRendering, stop: Callable[[], None]
) -> Starlette:
    """The server of `model`; `stop` ends the process that it runs in."""
    server = CogServer(service, model, rendering, stop)
    application = Starlette(
        routes=[
            Route("/", server.index),
            Route("/health-check", server.health),
            Route("/openapi.json", server.document),
            Route("/predictions", server.create, methods=["POST"]),
            Route("/predictions/{id}", server.create, methods=["PUT"]),
            Route("/predictions/{id}/cancel", server.cancel, methods=["POST"]),
            Route("/trainings", server.train, methods=["POST"]),
            Route("/trainings/{id}", server.train, methods=["PUT"]),
            Route("/trainings/{id}/cancel", server.cancel, methods=["POST"]),
            Route("/shutdown", server.shutdown, methods=["POST"]),
        ],
        lifespan=server.alive,
    )
    install(application)
    return application


class CogServer:
    def __init__(
        self,
        service: PredictionService,
        model: str,
        rendering: CogRendering,
        stop: Callable[[], None],
    ) -> None:
        self._service = service
        self._model = model
        self._rendering = rendering
        self._stop = stop
        self._kept = ""
        self._running: dict[str, str] = {}
        """What runs, by the ids that callers have given."""
        self._trainings: set[str] = set()
        """Those of them that train, by our ids; meanwhile the model need not stay loaded."""
        self._starting: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def alive(self, application: Starlette) -> AsyncIterator[None]:
        """The model is set up before anybody asks for it."""
        with contextlib.suppress(BrokenModel):
            await self._loaded()
        yield

    async def index(self, request: Request) -> Response:
        places = _places("prediction")
        with contextlib.suppress(BrokenModel):
            if (await self._loaded()).trainer is not None:
                places |= _places("training")
        return answer(
            {
                "cog_version": cog_version,
                "openapi_url": "/openapi.json",
                "healthcheck_url": "/health-check",
                **places,
                "shutdown_url": "/shutdown",
            }
        )

    async def health(self, request: Request) -> Response:
        """Also asks the model itself, where it can be asked."""
        body: dict[str, Any] = {
            "version": {"cog": cog_version, "python": platform.python_version()}
        }
        try:
            latest = await self._loaded()
        except BrokenModel as error:
            setup = {"status": "failed", "logs": f"{error.reason}\n"}
            return answer({"status": "SETUP_FAILED", "setup": setup, **body})
        standing = self._service.pool.standing(latest.id)
        body |= {"status": _STATES[standing.state], "setup": _setup(standing.setup)}
        if standing.state in (State.READY, State.BUSY):
            trouble = await self._service.pool.trouble(latest.id, HEALTH_SECONDS)
            if trouble:
                body |= {"status": "UNHEALTHY", "user_healthcheck_error": trouble}
        return answer(body)

    async def document(self, request: Request) -> Response:
        return answer((await self._loaded()).schema)

    async def create(self, request: Request) -> Response:
        asked = await read(request)
        streamed = "text/event-stream" in request.headers.get("accept", "")
        if streamed and not await self._may_stream():
            return refusal(406, "This model does not stream: mark its run with @cog.streaming.")
        return await self._run(request, asked, streamed=streamed)

    async def train(self, request: Request) -> Response:
        """As `create`, of what trains; what it returns is the output."""
        if (await self._loaded()).trainer is None:
            return refusal(404, "This model cannot be trained: its cog.yaml has no `train:`.")
        return await self._run(request, await read(request), trains=True)

    async def _run(
        self, request: Request, asked: Asked, streamed: bool = False, trains: bool = False
    ) -> Response:
        called = asked.id or ""
        # Two that bring one id at once are one prediction.
        async with self._starting.setdefault(called, asyncio.Lock()) if called else _anybody():
            known = self._running.get(called)
            if known is not None and request.method == "POST":
                return refusal(409, f"A prediction with the id {called!r} runs. Give another.")
            prediction = await (self._service.get(known) if known else self._created(asked, trains))
        self._starting.pop(called, None)
        if streamed:
            return self._stream(prediction)
        if known is not None or _wants_no_wait(request):
            # What a PUT finds running is told as it is; only who made it waits for its end.
            return answer(await self._rendering.shown(prediction), 202)
        return answer(await self._rendering.shown(await self._ended(request, prediction)))

    async def cancel(self, request: Request) -> Response:
        found = self._running.get(request.path_params["id"], request.path_params["id"])
        if found not in self._running.values():
            return refusal(404, f"No prediction {request.path_params['id']!r} runs here.")
        await self._service.cancel(found)
        return answer({})

    async def shutdown(self, request: Request) -> Response:
        asyncio.get_running_loop().call_soon(self._stop)
        return answer({})

    # --- on the way

    async def _loaded(self) -> Version:
        """The model as its folder has it now; it stays loaded. Raises `BrokenModel`."""
        version = await self._service.catalog.fresh(self._model)
        if version.id != self._kept and not self._trainings:
            self._kept = version.id
            self._service.pool.reserve([Reservation(version, 1, 1)])
        return version

    async def _may_stream(self) -> bool:
        version = await self._loaded()
        post = version.schema.get("paths", {}).get("/predictions", {}).get("post", {})
        return version.streams and bool(post.get("x-cog-streaming"))

    async def _created(self, asked: Asked, trains: bool) -> Prediction:
        await self._loaded()
        prediction = await self._service.create(
            self._model,
            asked.input or {},
            trains=trains,
            webhook=asked.webhook,
            webhook_events_filter=None
            if asked.webhook_events_filter is None
            else tuple(asked.webhook_events_filter),
            context=asked.context,
            called=asked.id or "",
        )
        called = prediction.called or prediction.id
        self._running[called] = prediction.id
        if trains:
            # What trains may need the room that the model takes.
            self._trainings.add(prediction.id)
            self._kept = ""
            self._service.pool.reserve([])
        self._spawn(self._attend(called, prediction.id))
        return prediction

    async def _attend(self, called: str, prediction_id: str) -> None:
        """Shows on the terminal what the model prints; forgets the caller's id at the end."""
        shown = 0
        async for snapshot in self._service.follow(prediction_id):
            if new := snapshot.logs[shown:]:
                print(new, end="", file=sys.stderr, flush=True)
            shown = len(snapshot.logs)
        self._running.pop(called, None)
        if prediction_id in self._trainings:
            self._trainings.remove(prediction_id)
            with contextlib.suppress(BrokenModel):
                await self._loaded()

    async def _ended(self, request: Request, prediction: Prediction) -> Prediction:
        """The prediction at its end; canceled when its caller hangs up before."""
        hung_up = asyncio.ensure_future(_disconnect(request))
        waiting = asyncio.ensure_future(self._service.wait(prediction.id, float("inf")))
        try:
            await asyncio.wait([hung_up, waiting], return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                await self._service.cancel(prediction.id)
            return await waiting
        finally:
            hung_up.cancel()

    def _stream(self, prediction: Prediction) -> Response:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        frames = self._frames(prediction)
        return StreamingResponse(frames, headers=headers, media_type="text/event-stream")

    async def _frames(self, prediction: Prediction) -> AsyncIterator[bytes]:
        events = Events(self._rendering)
        ended = False
        try:
            async for snapshot in with_heartbeats(self._service, prediction.id, HEARTBEAT):
                if snapshot is None:
                    yield b": keepalive\n\n"
                    continue
                async for frame in events.of(snapshot):
                    yield frame
                ended = snapshot.status.terminal
        finally:
            # A reader who gave it an id may come back to it; nobody else could.
            if not ended and not prediction.called:
                self._spawn(self._canceled(prediction.id))

    async def _canceled(self, prediction_id: str) -> None:
        with contextlib.suppress(CannotKeep):  # it is stopped, and nobody waits for more
            await self._service.cancel(prediction_id)

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _places(what: str) -> dict[str, str]:
    return {
        f"{what}s_url": f"/{what}s",
        f"{what}s_idempotent_url": f"/{what}s/{{{what}_id}}",
        f"{what}s_cancel_url": f"/{what}s/{{{what}_id}}/cancel",
    }


def _setup(setup: Setup | None) -> dict[str, Any] | None:
    if setup is None:
        return None
    ended = "failed" if setup.failed else "succeeded"
    return {
        "started_at": timestamp(setup.started_at),
        "completed_at": setup.completed_at and timestamp(setup.completed_at),
        "status": ended if setup.completed_at else "starting",
        "logs": setup.logs,
    }


def _wants_no_wait(request: Request) -> bool:
    asked = ",".join(request.headers.getlist("prefer")).split(",")
    return any(each.strip().lower() == "respond-async" for each in asked)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


@contextlib.asynccontextmanager
async def _anybody() -> AsyncIterator[None]:
    yield
