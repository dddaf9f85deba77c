"""What the server says of itself: whose it is and what it runs on."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.bodies import answer


async def account(request: Request) -> Response:
    return answer(
        {
            "type": "user",
            "username": "atelier",
            "name": "Atelier",
            "github_url": None,
            "avatar_url": None,
        }
    )


async def hardware(request: Request) -> Response:
    return answer([{"name": "This machine", "sku": "local"}])
