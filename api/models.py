"""Models and their versions over HTTP: list, search, get."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.authentication import caller_of
from api.bodies import answer, read_bytes
from api.links import LinkMaker, Links
from api.pagination import PAGE_SIZE, Cursor, cursor, page
from api.rendering import Rendering, timestamp
from errors import InvalidRequest, NotFound
from model_registry.spec import Model, Version
from predictions.prediction import Prediction, Status
from predictions.service import PredictionService
from predictions.store import Filter, Position

COG_VERSION = "0.14.0"
"""The Cog whose schemas ours look like; clients of versions below 0.3.9 expect others."""

_SORT_KEYS: Mapping[str, Callable[[Model], Position]] = {
    "latest_version_created_at": lambda model: (_created_at(model.versions[:1]), model.id),
    "model_created_at": lambda model: (_created_at(model.versions[-1:]), model.id),
}

_LOOKED_AT = 200
"""How many runs of a model are looked through for its examples."""

T = TypeVar("T")


class Models:
    def __init__(
        self, service: PredictionService, link_maker: LinkMaker, rendering: Rendering
    ) -> None:
        self._service = service
        self._link_maker = link_maker
        self._rendering = rendering

    async def list(self, request: Request) -> Response:
        """All, or with a `query` those that it finds: the further pages of a search are got so."""
        if (query := request.query_params.get("query")) is not None:
            return await self._found(request, query)
        by = request.query_params.get("sort_by", "latest_version_created_at")
        direction = request.query_params.get("sort_direction", "desc")
        if by not in _SORT_KEYS or direction not in ("asc", "desc"):
            raise InvalidRequest(
                f"sort_by may be {' or '.join(_SORT_KEYS)}, sort_direction `asc` or `desc`."
            )
        await self._service.catalog.take_up()
        models = [*self._service.catalog.models(), *self._service.catalog.empty()]
        return await self._page(request, models, _SORT_KEYS[by], newest_first=direction == "desc")

    async def search(self, request: Request) -> Response:
        """The body is the query: bare text or a JSON string, whatever the content type says."""
        text = (await read_bytes(request)).decode(errors="replace").strip()
        if text.startswith('"'):
            try:
                text = json.loads(text)
            except ValueError:
                raise InvalidRequest(
                    "The query begins with a quote but is not a JSON string."
                ) from None
        return await self._found(request, text)

    async def _found(self, request: Request, query: str) -> Response:
        await self._service.catalog.take_up()
        found = self._service.catalog.search(query)
        ranks = {model.id: rank for rank, model in enumerate(found)}
        return await self._page(
            request, found, lambda model: (ranks[model.id], model.id), False, {"query": query}
        )

    async def get(self, request: Request) -> Response:
        model = await self._model(request)
        counts = await self._service.run_counts()
        links = self._link_maker.links(request)
        example = next(iter(await self._examples_run(model, request)), None)
        rendered = None if example is None else self._rendering.prediction(example, links)
        return answer(rendered_model(model, counts.get(model.id, 0), links, rendered))

    async def examples(self, request: Request) -> Response:
        """The model's examples as they were run here; one that nobody has run is not among them."""
        model, links = await self._model(request), self._link_maker.links(request)
        found, older, newer = slice_of(
            await self._examples_run(model, request),
            lambda each: (each.created_at, each.id),
            cursor(request),
        )
        results = [self._rendering.prediction(each, links) for each in found]
        path = f"{links.base}/v1/models/{model.id}/examples"
        return answer(page(results, older, newer, request, path))

    async def readme(self, request: Request) -> Response:
        model = await self._model(request)
        if not model.readme:
            raise NotFound("README of", model.id)
        return PlainTextResponse(model.readme)

    async def list_versions(self, request: Request) -> Response:
        model, links = await self._model(request), self._link_maker.links(request)
        versions, older, newer = slice_of(
            model.versions, lambda each: (each.created_at, each.id), cursor(request)
        )
        path = f"{links.base}/v1/models/{model.id}/versions"
        return answer(page([_version(each) for each in versions], older, newer, request, path))

    async def get_version(self, request: Request) -> Response:
        model, version_id = await self._model(request), request.path_params["version"]
        for version in model.versions:
            if version.id == version_id:
                return answer(_version(version))
        raise NotFound(f"Version of {model.id}", version_id)

    async def _examples_run(self, model: Model, request: Request) -> Sequence[Prediction]:
        """Of each example the newest run that has succeeded and that the caller may see."""
        if not model.examples:
            return ()
        only = caller_of(request).only
        succeeded = Filter(model=model.id, status=Status.SUCCEEDED, owner=only, trainings=False)
        runs = (await self._service.list(succeeded, limit=_LOOKED_AT)).predictions
        found = []
        for example in model.examples:
            same = (run for run in runs if run.input == example.input)
            found += list(islice(same, 1))
        return found

    async def _model(self, request: Request) -> Model:
        await self._service.catalog.take_up()
        return self._service.catalog.known("{owner}/{name}".format(**request.path_params))

    async def _page(
        self,
        request: Request,
        models: Iterable[Model],
        key: Callable[[Model], Position],
        newest_first: bool,
        filters: Mapping[str, str] | None = None,
    ) -> Response:
        links = self._link_maker.links(request)
        counts = await self._service.run_counts()
        chosen, older, newer = slice_of(models, key, cursor(request), newest_first)
        results = [rendered_model(each, counts.get(each.id, 0), links) for each in chosen]
        return answer(page(results, older, newer, request, f"{links.base}/v1/models", filters))


def slice_of(
    items: Iterable[T], key: Callable[[T], Position], at: Cursor, newest_first: bool = True
) -> tuple[Sequence[T], Position | None, Position | None]:
    """One page of what is all in memory, and the positions of the next and the previous page."""
    ordered = sorted(items, key=key, reverse=newest_first)
    if at.before is not None:
        mark = at.before
        start = sum(
            1 for each in ordered if (key(each) >= mark if newest_first else key(each) <= mark)
        )
        end = start + PAGE_SIZE
    elif at.after is not None:
        mark = at.after
        end = sum(1 for each in ordered if (key(each) > mark if newest_first else key(each) < mark))
        start = max(0, end - PAGE_SIZE)
    else:
        start, end = 0, PAGE_SIZE
    chosen = ordered[start:end]
    if not chosen:
        return (), None, None
    return (
        chosen,
        key(chosen[-1]) if end < len(ordered) else None,
        key(chosen[0]) if start > 0 else None,
    )


def rendered_model(
    model: Model, run_count: int, links: Links, example: dict[str, Any] | None = None
) -> dict[str, Any]:
    """As clients read it; `example` is a whole prediction."""
    cover = model.cover if model.cover and model.cover.startswith(("http://", "https://")) else None
    return {
        "url": links.model_page(model.id),
        "owner": model.owner,
        "name": model.name,
        "description": model.description,
        "visibility": model.visibility,
        # What clients read from it: the model runs without naming a version. Here every one does.
        "is_official": True,
        "github_url": model.github_url,
        "paper_url": model.paper_url,
        "license_url": model.license_url or (model.licence.url if model.licence else None),
        "run_count": run_count,
        "cover_image_url": cover,
        "default_example": example,
        "latest_version": _version(model.latest) if model.versions and not model.refusal else None,
    }


def _created_at(versions: Sequence[Version]) -> float:
    """Of the one version; a model without comes last."""
    return versions[0].created_at if versions else 0.0


def _version(version: Version) -> dict[str, Any]:
    return {
        "id": version.id,
        "created_at": timestamp(version.created_at),
        "cog_version": COG_VERSION,
        "openapi_schema": version.schema,
    }
