"""What the server says of itself: who calls it and what it runs on."""

from __future__ import annotations

from collections import Counter

from starlette.requests import Request
from starlette.responses import Response

from api.authentication import caller_of
from api.bodies import answer
from predictions import pricing
from predictions.deployments import sku
from predictions.service import PredictionService


class Account:
    def __init__(self, service: PredictionService) -> None:
        self._service = service

    async def account(self, request: Request) -> Response:
        name = caller_of(request).owner.removeprefix("token:") or "atelier"
        return answer(
            {
                "type": "user",
                "username": name,
                "name": name.capitalize(),
                "github_url": None,
                "avatar_url": None,
            }
        )

    async def hardware(self, request: Request) -> Response:
        """One kind a row, however many there are of it; `price_per_second` is in dollars."""
        counts = Counter(d.hardware for d in self._service.pool.devices if not d.parts)
        return answer(
            [
                {
                    "name": hardware.upper() if hardware == "cpu" else hardware,
                    "sku": sku(hardware),
                    "count": count,
                    "price_per_second": pricing.rate(hardware),
                }
                for hardware, count in counts.items()
            ]
        )
