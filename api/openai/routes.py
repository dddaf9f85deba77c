"""The table of this door's endpoints."""

from __future__ import annotations

from starlette.routing import Route, Router

from api.authentication import Authentication
from api.links import LinkMaker
from api.openai.audio import Audio
from api.openai.chat import Chat
from api.openai.door import Door, Endpoint, Resource
from api.openai.images import Images
from predictions.service import PredictionService


def router(service: PredictionService, link_maker: LinkMaker, guard: Authentication) -> Router:
    """What stands below `/openai/v1`."""
    door = Door(service, link_maker)
    chat, images, audio = Chat(door), Images(door), Audio(door)
    endpoints: dict[str, dict[str, Endpoint]] = {
        "/models": {"GET": door.models},
        "/models/{model:path}": {"GET": door.model},
        "/chat/completions": {"POST": chat.complete},
        "/images/generations": {"POST": images.generate},
        "/audio/transcriptions": {"POST": audio.transcribe},
        "/audio/speech": {"POST": audio.speak},
    }
    routes = [Route(path, Resource(methods, guard)) for path, methods in endpoints.items()]
    return Router(routes, redirect_slashes=False)
