"""The catalogue by what models are for, over HTTP: collections, and the search over everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.bodies import answer
from api.links import LinkMaker
from api.models import rendered_model, slice_of
from api.pagination import cursor, page
from errors import InvalidRequest, NotFound
from predictions.service import PredictionService

_DESCRIPTIONS: Mapping[str, str] = {
    "3d": "Models that make three-dimensional objects.",
    "audio": "Models that hear, speak and make music.",
    "code": "Language models that write code.",
    "editing": "Models that change a picture as they are told.",
    "image": "Models that make pictures from text.",
    "language": "Models that read and write text.",
    "restoration": "Models that enlarge, repair and cut out pictures.",
    "video": "Models that make videos from text or pictures.",
    "vision": "Models that look at pictures and answer in text.",
}
_LIMIT = (1, 20, 50)
"""Of a search's answers: the fewest, as many as unsaid, the most."""


class Collections:
    def __init__(self, service: PredictionService, link_maker: LinkMaker) -> None:
        self._service = service
        self._link_maker = link_maker

    async def list(self, request: Request) -> Response:
        links = self._link_maker.links(request)
        found = [_named(each) for each in sorted(self._service.catalog.categories())]
        chosen, older, newer = slice_of(
            found, lambda each: (0.0, each["slug"]), cursor(request), newest_first=False
        )
        return answer(page(chosen, older, newer, request, f"{links.base}/v1/collections"))

    async def get(self, request: Request) -> Response:
        slug = request.path_params["slug"]
        if slug not in self._service.catalog.categories():
            known = ", ".join(sorted(self._service.catalog.categories()))
            raise NotFound("Collection", slug, f"There are {known}.")
        links = self._link_maker.links(request)
        counts = await self._service.run_counts()
        models = [
            rendered_model(each, counts.get(each.id, 0), links)
            for each in self._service.catalog.models()
            if each.category == slug
        ]
        return answer({**_named(slug), "full_description": None, "models": models})

    async def search(self, request: Request) -> Response:
        query = request.query_params.get("query", "").strip()
        if not query:
            raise InvalidRequest("query is missing; say what to look for: /v1/search?query=image.")
        limit = _limit(request)
        links = self._link_maker.links(request)
        counts = await self._service.run_counts()
        catalog = self._service.catalog
        models = catalog.search(query)[:limit]
        slugs = [each for each in sorted(catalog.categories()) if _matches(query, each)][:limit]
        return answer(
            {
                "query": query,
                "models": [
                    {
                        "model": rendered_model(each, counts.get(each.id, 0), links),
                        "metadata": {
                            "score": 1.0 / (rank + 1),
                            "tags": [each.category],
                            "generated_description": each.description,
                        },
                    }
                    for rank, each in enumerate(models)
                ],
                "collections": [
                    {
                        **_named(slug),
                        "models": [m.id for m in catalog.models() if m.category == slug],
                    }
                    for slug in slugs
                ],
                "pages": [],
            }
        )


def _named(category: str) -> dict[str, Any]:
    description = _DESCRIPTIONS.get(category, f"Models for {category}.")
    name = category.upper() if category == "3d" else category.capitalize()
    return {"name": name, "slug": category, "description": description}


def _matches(query: str, category: str) -> bool:
    text = f"{category} {_DESCRIPTIONS.get(category, '')}".lower()
    return all(word in text for word in query.lower().split())


def _limit(request: Request) -> int:
    least, usual, most = _LIMIT
    text = request.query_params.get("limit", str(usual))
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise InvalidRequest(f"limit is {text!r}; it may be {least} to {most}.")
    return int(text)
