"""What the routes share: models, errors in OpenAI's form, and a prediction made and waited for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.authentication import Authentication, caller_of
from api.bodies import answer
from api.errors import InvalidBody, status_of
from api.links import LinkMaker
from errors import AtelierError, InvalidInput, NotFound
from model_registry.spec import Model, Version
from predictions.prediction import Prediction, Status
from predictions.service import PredictionService

FOREVER = float("inf")
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

Endpoint = Callable[[Request], Awaitable[Response]]


class Refused(AtelierError):
    """A request that this door does not take. `param` is what is wrong in its body."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.status = status


class Door:
    """The service as the routes use it."""

    def __init__(self, service: PredictionService, link_maker: LinkMaker) -> None:
        self.service = service
        self.link_maker = link_maker

    async def models(self, request: Request) -> Response:
        return answer(
            {"object": "list", "data": [_listed(m) for m in self.service.catalog.models()]}
        )

    async def model(self, request: Request) -> Response:
        return answer(_listed(self.found(request.path_params["model"])))

    def found(self, name: str) -> Model:
        """Raises `Refused` for a name that nobody has."""
        try:
            return self.service.catalog.find(name.partition(":")[0])
        except NotFound as error:
            raise Refused(str(error), "model", 404) from None

    async def version(self, name: str) -> Version:
        """What `owner/name` or `owner/name:version` runs now."""
        self.found(name)
        return await self.service.catalog.fresh(name)

    async def begin(self, request: Request, name: str, inputs: Mapping[str, Any]) -> Prediction:
        return await self.service.create(
            name,
            inputs,
            caller=caller_of(request),
            origin=self.link_maker.links(request).base,
        )

    async def ended(self, prediction: Prediction) -> Prediction:
        """Waits for the end. Raises `Refused` unless it has succeeded."""
        ended = await self.service.wait(prediction.id, FOREVER)
        if ended.status is not Status.SUCCEEDED:
            raise Refused(ended.error or f"The prediction was {ended.status}.", status=500)
        return ended

    async def run(self, request: Request, name: str, inputs: Mapping[str, Any]) -> Prediction:
        return await self.ended(await self.begin(request, name, inputs))


class Resource:
    """One path as an ASGI app, whose errors are in OpenAI's form."""

    def __init__(self, methods: Mapping[str, Endpoint], authentication: Authentication) -> None:
        self._methods = methods
        self._authentication = authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            endpoint = self._methods.get("GET" if request.method == "HEAD" else request.method)
            if endpoint is None:
                allowed = ", ".join(self._methods)
                raise Refused(f"{request.url.path} takes {allowed}.", status=405)
            scope["caller"] = self._authentication.caller(request.headers)
            response = await endpoint(request)
        except AtelierError as error:
            response = refusal(error)
        await response(scope, receive, send)


def refusal(error: AtelierError) -> Response:
    status, param = status_of(error), None
    match error:
        case Refused():
            status, param = error.status, error.param
        case InvalidInput(problems=problems) | InvalidBody(problems=problems):
            status, param = 400, problems[0].field or None
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    told = {"message": str(error), "type": kind, "param": param, "code": None}
    body = msgspec.json.encode({"error": told})
    return Response(body, status, media_type="application/json")


def inputs_of(version: Version) -> Mapping[str, Any]:
    """The inputs that a version takes, by name."""
    return version.input_schema.get("properties", {})  # type: ignore[no-any-return]


def choices_of(version: Version, name: str) -> list[Any] | None:
    """What an input may be, None where that is not a matter of choice."""
    described = inputs_of(version).get(name, {})
    for each in described.get("allOf", ()):
        component = each["$ref"].rpartition("/")[2]
        found: list[Any] | None = version.schema["components"]["schemas"][component].get("enum")
        return found
    return None


def first_of(version: Version, names: Iterable[str], model: str, what: str) -> str:
    """The first of the names that the version has an input for. Raises `Refused`."""
    for name in names:
        if name in inputs_of(version):
            return name
    raise Refused(f"{model} {what}.", "model")


def given(value: Any, version: Version, name: str, param: str) -> dict[str, Any]:
    """An input with this value, nothing for None. Raises `Refused` where the model has no such
    input.
    """
    if value is None:
        return {}
    if name not in inputs_of(version):
        raise Refused(f"{version.model} has no input for {param}; leave it out.", param)
    return {name: value}


def _listed(model: Model) -> dict[str, Any]:
    return {
        "id": model.id,
        "object": "model",
        "created": int(model.latest.created_at),
        "owned_by": model.owner,
    }
