"""Predictions over HTTP: create, with or without waiting for the end; get, list, cancel."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import time
from datetime import datetime, timezone
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import caller_of
from api.bodies import answer, read
from api.errors import InvalidBody
from api.headers import allowed_seconds, held_seconds
from api.links import LinkMaker, Links
from api.pagination import PAGE_SIZE, cursor, page
from api.rendering import Address, Rendering, as_created
from errors import InvalidRequest, InvalidVersion, NotFound, Problem
from predictions.prediction import Prediction
from predictions.references import references
from predictions.service import PredictionService
from predictions.store import Filter

MAX_INLINE = 10_000_000
"""Bytes of output files that go into a held answer itself."""


class Creation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of a create. `stream` says nothing any more; `webhook_completed` is a `webhook`
    filtered to `completed`, as old clients write it."""

    input: dict[str, Any]
    webhook: str | None = None
    webhook_events_filter: list[Literal["start", "output", "logs", "completed"]] | None = None
    webhook_completed: str | None = None
    stream: bool | None = None


class VersionCreation(Creation, kw_only=True, forbid_unknown_fields=True):
    version: str


_creation = msgspec.json.Decoder(Creation)
_version_creation = msgspec.json.Decoder(VersionCreation)


class Predictions:
    def __init__(
        self, service: PredictionService, link_maker: LinkMaker, rendering: Rendering
    ) -> None:
        self._service = service
        self._link_maker = link_maker
        self._rendering = rendering

    async def create_by_version(self, request: Request) -> Response:
        body = await read(request, _version_creation)
        try:
            return await self._create(request, body.version, body)
        except NotFound as error:
            raise InvalidVersion(body.version, str(error)) from None

    async def create_by_model(self, request: Request) -> Response:
        """Also by deployment: Python's client runs one as it runs a model."""
        body = await read(request, _creation)
        reference = "{owner}/{name}".format(**request.path_params)
        try:
            return await self._create(request, reference, body)
        except NotFound as error:
            if error.name != reference or not self._is_deployment(request):
                raise
        return await self._through(request, body)

    async def create_by_deployment(self, request: Request) -> Response:
        return await self._through(request, await read(request, _creation))

    async def get(self, request: Request) -> Response:
        prediction = await self._named(request)
        return answer(self._rendering.prediction(prediction, self._link_maker.links(request)))

    async def cancel(self, request: Request) -> Response:
        await self._named(request)
        prediction = await self._service.cancel(request.path_params["id"], caller_of(request))
        return answer(self._rendering.prediction(prediction, self._link_maker.links(request)))

    async def list(self, request: Request) -> Response:
        links = self._link_maker.links(request)
        before, after = cursor(request)
        found = await self._service.list(
            _filter(request), limit=PAGE_SIZE, before=before, after=after
        )
        results = [self._rendering.prediction(each, links) for each in found.predictions]
        return answer(
            page(results, found.next, found.previous, request, f"{links.base}/v1/predictions")
        )

    async def _named(self, request: Request) -> Prediction:
        found = await self._service.get(request.path_params["id"], caller_of(request))
        if found.is_training:
            raise NotFound("Prediction", found.id, "It is a training.")
        return found

    def _is_deployment(self, request: Request) -> bool:
        with contextlib.suppress(NotFound):
            self._service.deployments.get(**request.path_params, caller=caller_of(request))
            return True
        return False

    async def _through(self, request: Request, body: Creation) -> Response:
        found = self._service.deployments.get(**request.path_params, caller=caller_of(request))
        if not found.most:
            reason = f"{found.id} has max_instances 0 and takes no predictions. Give it some."
            raise InvalidRequest(reason)
        return await self._create(request, found.reference, body, found.id)

    async def _create(
        self, request: Request, reference: str, body: Creation, deployment: str | None = None
    ) -> Response:
        arrived = time.monotonic()
        hold = held_seconds(request.headers)
        webhook, events = webhook_of(body)
        allowed = allowed_seconds(request.headers)
        prediction = await self._service.create(
            reference,
            body.input,
            caller=caller_of(request),
            deadline=None if allowed is None else time.time() + allowed,
            webhook=webhook,
            webhook_events_filter=events,
            origin=self._link_maker.links(request).base,
            deployment=deployment,
        )
        if hold is not None:
            left = max(0.0, hold - (time.monotonic() - arrived))
            # Canceled because the app stops, it still has its id to tell: what is queued then runs
            # after the next start, and who gets an error asks for it once more.
            with contextlib.suppress(asyncio.CancelledError):
                prediction = await self._service.wait(prediction.id, left)
        return await self._created(
            prediction, self._link_maker.links(request), held=hold is not None
        )

    async def _created(self, prediction: Prediction, links: Links, held: bool) -> Response:
        ended = prediction.status.terminal
        address = None
        if not ended:
            prediction = as_created(prediction)
        elif held:
            address = await self._inlined(prediction, links)
        headers = {"Cache-Control": "no-store", "Location": links.prediction(prediction.id)}
        if held:
            headers["Preference-Applied"] = "wait"
        rendered = self._rendering.prediction(prediction, links, address)
        return answer(rendered, 202 if held and not ended else 201, headers)

    async def _inlined(self, prediction: Prediction, links: Links) -> Address | None:
        """Output files as `data:` URIs where clients would not see files in our (http) URLs."""
        found = references(prediction.output)
        if not found or links.base.startswith("https:"):
            return None
        files = {reference: await self._service.files.get(reference) for reference in found}
        if sum(file.size for file in files.values()) > MAX_INLINE:
            return None

        def data_uris() -> dict[str, str]:
            return {
                reference: f"data:{file.content_type};base64,"
                + base64.b64encode(self._service.files.path(file).read_bytes()).decode()
                for reference, file in files.items()
            }

        return (await asyncio.to_thread(data_uris)).__getitem__


def webhook_of(body: Creation) -> tuple[str | None, tuple[str, ...] | None]:
    """Who is told, and of what. Raises `InvalidBody`."""
    if body.webhook is not None and body.webhook_completed not in (None, body.webhook):
        reason = "webhook_completed names another address than webhook; give one of them."
        raise InvalidBody(Problem("webhook_completed", "invalid_url", reason))
    if body.webhook_completed is not None and body.webhook is None:
        return _checked_url("webhook_completed", body.webhook_completed), ("completed",)
    events = None if body.webhook_events_filter is None else tuple(body.webhook_events_filter)
    return None if body.webhook is None else _checked_url("webhook", body.webhook), events


def _checked_url(field: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not url.isprintable() or " " in url:
        reason = f"{url!r} is no address to send to; give an absolute http or https URL."
        raise InvalidBody(Problem(field, "invalid_url", reason))
    return url


def _filter(request: Request) -> Filter:
    source = request.query_params.get("source")
    if source not in (None, "api", "web"):
        raise InvalidRequest(f"source is {source!r}; it may be `web` or `api`.")
    return Filter(
        source=source,
        trainings=False,
        owner=caller_of(request).only,
        created_after=_moment(request, "created_after"),
        created_before=_moment(request, "created_before"),
    )


# Times are shown to the microsecond: what is shown as a moment began up to half of one before it.
_ROUNDING = 5e-7


def _moment(request: Request, name: str) -> float | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        # An unescaped `+` of a time zone arrives as a space; Python 3.10 does not read `Z`.
        moment = datetime.fromisoformat(
            re.sub(r"(?<=[:.\d]\d\d) (?=\d\d:?\d\d$)", "+", text.strip()).replace("Z", "+00:00")
        )
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return moment.timestamp() - _ROUNDING
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"{name} is {text!r}; give a date and time such as 2026-01-31T12:00:00Z."
        ) from None
