"""The secret with which webhooks are signed, for who checks their signatures."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.authentication import caller_of
from api.bodies import answer
from errors import NotFound
from predictions.service import PredictionService


class Webhooks:
    def __init__(self, service: PredictionService) -> None:
        self._service = service

    async def secret(self, request: Request) -> Response:
        webhooks = self._service.webhooks
        if webhooks is None:
            raise NotFound("Webhook secret", "default")
        return answer({"key": webhooks.secret.newest(caller_of(request).owner)})
