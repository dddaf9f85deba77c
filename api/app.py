"""Builds the HTTP face: the table of all endpoints. Leaves all paths outside /v1 to others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router
from starlette.types import Receive, Scope, Send

from api import errors
from api.account import Account
from api.authentication import Authentication, Tokens
from api.collections import Collections
from api.deployments import Deployments
from api.description import Description
from api.files import Files
from api.links import LinkMaker
from api.models import Models
from api.openai.routes import router as openai_door
from api.predictions import Predictions
from api.publishing import Publishing
from api.rendering import Rendering
from api.streams import Streams
from api.trainings import Trainings
from api.webhooks import Webhooks
from predictions.service import PredictionService

Endpoint = Callable[[Request], Awaitable[Response]]


def build(
    service: PredictionService,
    *,
    tokens: Tokens | None = None,
    public_url: str | None = None,
    trusted_proxies: Collection[str] = (),
    everybody_operates: bool = True,
) -> FastAPI:
    """The API over `service`.

    `tokens` are those that may call, None: anybody. `public_url` is the root of all links that the
    API gives out, None: the host that each request names, or that one of the `trusted_proxies`
    names for it. `everybody_operates`: without tokens, whoever calls may change the catalogue.
    """
    link_maker = LinkMaker(service.signer, public_url, trusted_proxies)
    rendering = Rendering(service.catalog)
    predictions = Predictions(service, link_maker, rendering)
    trainings = Trainings(service, link_maker, rendering)
    models = Models(service, link_maker, rendering)
    publishing = Publishing(service, link_maker, everybody_operates)
    collections = Collections(service, link_maker)
    deployments = Deployments(service, link_maker)
    files = Files(service.files, service.signer, link_maker)
    streams = Streams(service, link_maker)
    account = Account(service)
    description = Description(link_maker)

    with_token: dict[str, dict[str, Endpoint]] = {
        "/models/{owner}/{name}/predictions": {"POST": predictions.create_by_model},
        "/predictions": {"GET": predictions.list, "POST": predictions.create_by_version},
        "/predictions/{id}": {"GET": predictions.get},
        "/predictions/{id}/cancel": {"POST": predictions.cancel},
        "/models": {"GET": models.list, "POST": publishing.create, "QUERY": models.search},
        "/models/{owner}/{name}": {
            "GET": models.get,
            "PATCH": publishing.update,
            "DELETE": publishing.delete,
        },
        "/models/{owner}/{name}/examples": {"GET": models.examples},
        "/models/{owner}/{name}/readme": {"GET": models.readme},
        "/models/{owner}/{name}/versions": {"GET": models.list_versions},
        "/models/{owner}/{name}/versions/{version}": {
            "GET": models.get_version,
            "DELETE": publishing.delete_version,
        },
        "/models/{owner}/{name}/versions/{version}/trainings": {"POST": trainings.create},
        "/trainings": {"GET": trainings.list},
        "/trainings/{id}": {"GET": trainings.get},
        "/trainings/{id}/cancel": {"POST": trainings.cancel},
        "/files": {"GET": files.list, "POST": files.upload},
        "/files/{id}": {"GET": files.get, "DELETE": files.delete},
        "/deployments": {"GET": deployments.list, "POST": deployments.create},
        "/deployments/{owner}/{name}": {
            "GET": deployments.get,
            "PATCH": deployments.update,
            "DELETE": deployments.delete,
        },
        "/deployments/{owner}/{name}/predictions": {"POST": predictions.create_by_deployment},
        "/collections": {"GET": collections.list},
        "/collections/{slug}": {"GET": collections.get},
        "/search": {"GET": collections.search},
        "/account": {"GET": account.account},
        "/hardware": {"GET": account.hardware},
        "/webhooks/default/secret": {"GET": Webhooks(service).secret},
    }
    # Clients open these without a token: the path itself cannot be guessed, or is signed.
    without_token: dict[str, dict[str, Endpoint]] = {
        "/streams/{token}": {"GET": streams.open},
        "/outputs/{id}/{name}": {"GET": files.output},
        "/files/{id}/download": {"GET": files.download},
        "/openapi.json": {"GET": description.document},
        "/docs": {"GET": description.page},
    }
    guard, anybody = Authentication(tokens), Authentication(None)
    routes = [Route(path, Resource(methods, guard)) for path, methods in with_token.items()]
    routes += [Route(path, Resource(methods, anybody)) for path, methods in without_token.items()]

    application = FastAPI(title="Atelier", openapi_url=None, docs_url=None, redoc_url=None)
    errors.install(application)
    version_1 = Router(routes, redirect_slashes=False)
    # Python's client 1.x appends /v1 to its base address, the others want it there: with both,
    # one address serves all.
    application.router.routes += [
        Mount("/openai/v1", openai_door(service, link_maker, guard)),
        Mount("/v1/v1", version_1),
        Mount("/v1", version_1),
        Route("/v1", version_1),  # nothing is there, and that is ours to say
    ]
    return application


class Resource:
    """One path as an ASGI app: checks the token and calls the endpoint of the method."""

    def __init__(self, methods: Mapping[str, Endpoint], authentication: Authentication) -> None:
        self.methods = methods
        self._authentication = authentication
        self._allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        endpoint = self.methods.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            raise HTTPException(405, headers={"Allow": self._allowed})
        scope["caller"] = self._authentication.caller(request.headers)
        try:
            response = await endpoint(request)
        except asyncio.CancelledError:  # it was given time to end by itself
            response = errors.stopped()
        await response(scope, receive, send)
