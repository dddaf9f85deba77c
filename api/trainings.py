"""Trainings over HTTP: create, get, list, cancel. They are predictions that have a destination."""

from __future__ import annotations

import time

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import caller_of
from api.bodies import answer, read
from api.headers import allowed_seconds
from api.links import LinkMaker
from api.pagination import PAGE_SIZE, cursor, page
from api.predictions import Creation, webhook_of
from api.rendering import Rendering, as_created
from errors import NotFound
from predictions.prediction import Prediction
from predictions.service import PredictionService
from predictions.store import Filter


class TrainingCreation(Creation, kw_only=True, forbid_unknown_fields=True):
    """`destination` is the model, `owner/name`, that the weights become a version of."""

    destination: str


_creation = msgspec.json.Decoder(TrainingCreation)


class Trainings:
    def __init__(
        self, service: PredictionService, link_maker: LinkMaker, rendering: Rendering
    ) -> None:
        self._service = service
        self._link_maker = link_maker
        self._rendering = rendering

    async def create(self, request: Request) -> Response:
        body = await read(request, _creation)
        links = self._link_maker.links(request)
        webhook, events = webhook_of(body)
        allowed = allowed_seconds(request.headers)
        training = await self._service.create(
            "{owner}/{name}:{version}".format(**request.path_params),
            body.input,
            caller=caller_of(request),
            deadline=None if allowed is None else time.time() + allowed,
            webhook=webhook,
            webhook_events_filter=events,
            origin=links.base,
            destination=body.destination,
        )
        rendered = self._rendering.prediction(as_created(training), links)
        headers = {"Cache-Control": "no-store", "Location": rendered["urls"]["get"]}
        return answer(rendered, 201, headers)

    async def get(self, request: Request) -> Response:
        training = await self._named(request)
        return answer(self._rendering.prediction(training, self._link_maker.links(request)))

    async def cancel(self, request: Request) -> Response:
        await self._named(request)
        training = await self._service.cancel(request.path_params["id"], caller_of(request))
        return answer(self._rendering.prediction(training, self._link_maker.links(request)))

    async def list(self, request: Request) -> Response:
        links = self._link_maker.links(request)
        before, after = cursor(request)
        own = Filter(owner=caller_of(request).only, trainings=True)
        found = await self._service.list(own, limit=PAGE_SIZE, before=before, after=after)
        results = [self._rendering.prediction(each, links) for each in found.predictions]
        return answer(
            page(results, found.next, found.previous, request, f"{links.base}/v1/trainings")
        )

    async def _named(self, request: Request) -> Prediction:
        found = await self._service.get(request.path_params["id"], caller_of(request))
        if not found.is_training:
            raise NotFound("Training", found.id, "It is a prediction.")
        return found
