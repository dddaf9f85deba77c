"""Deployments over HTTP: create, get, list, update, delete, and predictions through them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import caller_of
from api.bodies import answer, read
from api.errors import InvalidBody
from api.links import LinkMaker
from api.models import slice_of
from api.pagination import cursor, page
from api.rendering import timestamp
from errors import Problem
from predictions.callers import Caller
from predictions.deployments import (
    FEWEST_LIMIT,
    MOST_LIMIT,
    Deployment,
    no_name,
    no_span,
    sku,
)
from predictions.service import PredictionService

REPLICATES = (
    "cpu", "gpu-t4", "gpu-l40s", "gpu-l40s-2x", "gpu-a40-small", "gpu-a40-large", "gpu-a100-large",
    "gpu-a100-large-2x", "gpu-a100-large-4x", "gpu-a100-large-8x", "gpu-h100", "gpu-h100-2x",
    "gpu-h100-4x", "gpu-h100-8x",
)  # fmt: skip
"""What Replicate calls its hardware: code that asks for it is taken, and runs on what there is."""

Fewest = Annotated[int, msgspec.Meta(ge=0, le=FEWEST_LIMIT)]
Most = Annotated[int, msgspec.Meta(ge=0, le=MOST_LIMIT)]


class Creation(msgspec.Struct, forbid_unknown_fields=True):
    """`owner` is the caller unless it is said; `version` the model's latest."""

    name: str
    model: str
    hardware: str
    min_instances: Fewest
    max_instances: Most
    version: str | None = None
    owner: str | None = None


class Change(msgspec.Struct, forbid_unknown_fields=True):
    version: str | None = None
    hardware: str | None = None
    min_instances: Fewest | None = None
    max_instances: Most | None = None


_creation = msgspec.json.Decoder(Creation)
_change = msgspec.json.Decoder(Change)


class Deployments:
    def __init__(self, service: PredictionService, link_maker: LinkMaker) -> None:
        self._service = service
        self._link_maker = link_maker

    async def list(self, request: Request) -> Response:
        links = self._link_maker.links(request)
        found = self._service.deployments.list(caller_of(request))
        chosen, older, newer = slice_of(
            found, lambda each: (each.created_at, each.id), cursor(request)
        )
        results = [_rendered(each) for each in chosen]
        return answer(page(results, older, newer, request, f"{links.base}/v1/deployments"))

    async def create(self, request: Request) -> Response:
        body = await read(request, _creation)
        owner = self._owner(body, caller_of(request))
        name = body.name.removeprefix(f"{owner}/")
        for field, given in (("name", name), ("owner", owner)):
            if reason := no_name(given):
                raise InvalidBody(Problem(field, "invalid", reason))
        self._check(body.hardware, body.min_instances, body.max_instances)
        made = await self._service.deployments.create(
            owner,
            name,
            f"{body.model}:{body.version}" if body.version else body.model,
            body.hardware,
            body.min_instances,
            body.max_instances,
        )
        return answer(_rendered(made))

    async def get(self, request: Request) -> Response:
        return answer(_rendered(self._named(request)))

    async def update(self, request: Request) -> Response:
        former, body = self._named(request), await read(request, _change)
        fewest = former.fewest if body.min_instances is None else body.min_instances
        most = former.most if body.max_instances is None else body.max_instances
        self._check(body.hardware or former.hardware, fewest, most)
        release = await self._service.deployments.update(
            former,
            version=body.version,
            hardware=body.hardware,
            fewest=body.min_instances,
            most=body.max_instances,
        )
        return answer(_rendered(release))

    async def delete(self, request: Request) -> Response:
        await self._service.deployments.delete(self._named(request))
        return Response(status_code=204)

    def _named(self, request: Request) -> Deployment:
        owner, name = request.path_params["owner"], request.path_params["name"]
        return self._service.deployments.get(owner, name, caller_of(request))

    @staticmethod
    def _owner(body: Creation, caller: Caller) -> str:
        own = caller.name
        if body.owner not in (None, own) and not caller.sees_all:
            reason = f"{body.owner!r} is another's name; deployments of yours belong to {own!r}."
            raise InvalidBody(Problem("owner", "invalid", reason))
        return body.owner or own

    def _check(self, hardware: str, fewest: int, most: int) -> None:
        own = [sku(d.hardware) for d in self._service.pool.devices if not d.parts]
        if hardware not in (*own, *REPLICATES):
            allowed = ", ".join(dict.fromkeys([*own, *REPLICATES]))
            reason = f"{hardware!r} is not known; there are {allowed}."
            raise InvalidBody(Problem("hardware", "enum", reason))
        if reason := no_span(fewest, most):
            raise InvalidBody(Problem("min_instances", "number_lte", reason))


def _rendered(deployment: Deployment) -> dict[str, Any]:
    return {
        "owner": deployment.owner,
        "name": deployment.name,
        "current_release": {
            "number": deployment.number,
            "model": deployment.model,
            "version": deployment.version,
            "created_at": timestamp(deployment.created_at),
            "created_by": {
                "type": "user",
                "username": deployment.created_by,
                "name": deployment.created_by.capitalize(),
                "github_url": None,
                "avatar_url": None,
            },
            "configuration": {
                "hardware": deployment.hardware,
                "min_instances": deployment.fewest,
                "max_instances": deployment.most,
            },
        },
    }
