"""What the operator does to the catalogue over HTTP: add, describe and delete models."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import caller_of
from api.bodies import answer, read
from api.links import LinkMaker
from api.models import rendered_model
from errors import InvalidRequest
from model_registry.spec import Model
from predictions.callers import EVERYBODY, is_sent_by_another_site
from predictions.service import PredictionService


class NewModel(msgspec.Struct):
    """Replicate's body, of which `owner` and `name` say what the model is called; `hardware`
    changes nothing on a machine of one's own, and `visibility` only that a public model is not
    deleted. `source` and what follows are ours.
    Without a source the model has no version until one is pushed.
    """

    owner: str
    name: str
    visibility: Literal["public", "private"]
    hardware: str
    description: str | None = None
    github_url: str | None = None
    paper_url: str | None = None
    license_url: str | None = None
    cover_image_url: str | None = None
    source: str | None = None
    trust_remote_code: str = ""
    unsafe_formats: bool = False


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """What is not given stays; null takes back what was said."""

    description: str | None | UnsetType = UNSET
    readme: str | None | UnsetType = UNSET
    github_url: str | None | UnsetType = UNSET
    paper_url: str | None | UnsetType = UNSET
    license_url: str | None | UnsetType = UNSET
    weights_url: str | None | UnsetType = UNSET
    cover_image_url: str | None | UnsetType = UNSET


_new = msgspec.json.Decoder(NewModel)
_change = msgspec.json.Decoder(Change)
_TOLD = (
    "visibility", "description", "github_url", "paper_url", "license_url", "cover_image_url"
)  # fmt: skip


class Publishing:
    """`everybody_operates`: whether who needs no token is the operator, too."""

    def __init__(
        self, service: PredictionService, link_maker: LinkMaker, everybody_operates: bool
    ) -> None:
        self._service = service
        self._link_maker = link_maker
        self._everybody_operates = everybody_operates

    async def create(self, request: Request) -> Response:
        """A model made of the repository of the Hub that `source` names; without one, a name that
        `app.py push` gives versions to.
        """
        self._check_operator(request)
        asked = await read(request, _new)
        name = f"{asked.owner}/{asked.name}"
        if asked.source:
            model = await self._service.catalog.add_from_hub(
                asked.source,
                name=name,
                description=asked.description or "",
                trust_remote_code=asked.trust_remote_code,
                unsafe_formats=asked.unsafe_formats,
            )
        else:
            told = {field: getattr(asked, field) for field in _TOLD}
            model = await self._service.publishing.create(name, told)
        return await self._rendered(model, request, 201)

    async def update(self, request: Request) -> Response:
        self._check_operator(request)
        change = await read(request, _change)
        fields = msgspec.structs.asdict(change)
        told = {field: value for field, value in fields.items() if value is not UNSET}
        model = await self._service.publishing.change(_name(request), told)
        return await self._rendered(model, request)

    async def delete(self, request: Request) -> Response:
        """Of a private model: what is public others may count on."""
        self._check_operator(request)
        name = _name(request)
        model = self._service.catalog.known(name)
        if model.published and model.visibility != "private":
            raise InvalidRequest(f"{name} is public. Only a private model can be deleted.")
        await self._service.publishing.delete(name)
        return Response(status_code=204)

    async def delete_version(self, request: Request) -> Response:
        self._check_operator(request)
        version = request.path_params["version"]
        await self._service.publishing.delete_version(_name(request), version)
        return Response(status_code=202)

    def _check_operator(self, request: Request) -> None:
        """Who adds a model runs code here."""
        caller = caller_of(request)
        if caller == EVERYBODY and is_sent_by_another_site(request.headers):
            raise HTTPException(403, "Another site may not change the models of this Atelier.")
        if caller.sees_all and (caller != EVERYBODY or self._everybody_operates):
            return
        raise HTTPException(
            403,
            "Only the operator of this Atelier may change its models: whoever has the token of "
            "`admin`, or everybody where it is neither shared nor has tokens.",
        )

    async def _rendered(self, model: Model, request: Request, status: int = 200) -> Response:
        counts: dict[str, Any] = await self._service.run_counts()
        links = self._link_maker.links(request)
        return answer(rendered_model(model, counts.get(model.id, 0), links), status)


def _name(request: Request) -> str:
    return "{owner}/{name}".format(**request.path_params)
