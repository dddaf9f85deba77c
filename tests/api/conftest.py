"""The API on a real server: catalog, store, pool and service over the models in tests/models."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path

import httpx
import pytest
import replicate
import uvicorn
from starlette.types import ASGIApp

import api.app
import app
from api.authentication import Tokens
from api.connections import Connection
from model_registry.catalog import Catalog
from predictions.service import PredictionService
from settings import Settings
from tests.conftest import MODELS

ENDED = ("succeeded", "failed", "canceled")
_served: dict[int, Catalog] = {}
"""All that servers have had: kept, so that no other gets the same id."""


class Server:
    """A running server, in a thread of its own with its own event loop."""

    def __init__(
        self,
        data: Path,
        catalog: Catalog,
        tokens: Collection[str] | None = None,
        public_url: str | None = None,
        everybody_operates: bool = True,
    ) -> None:
        # What is pushed is taken up by the loop of one server, and its end is the catalog's.
        assert id(catalog) not in _served, "another server has this catalog: give each its own"
        _served[id(catalog)] = self._catalog = catalog
        self.settings = Settings(
            data=data, offline=True, max_file_size=20_000_000, allow_private_webhooks=True
        )
        self._tokens = None if tokens is None else Tokens.read(tokens, "tokens")
        self._built_with = {"public_url": public_url, "everybody_operates": everybody_operates}
        # Named TCP, or asyncio leaves Nagle's algorithm on and every answer takes 40 ms longer.
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(128)  # who comes before it serves waits
        self.url = "http://{}:{}".format(*self.socket.getsockname())
        self.service: PredictionService
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._uvicorn.should_exit = True
        self._thread.join()

    async def _serve(self) -> None:
        self.settings.data.mkdir(parents=True, exist_ok=True)
        self.service = app.build_service(self.settings, self._catalog)
        await self.service.start()
        config = uvicorn.Config(
            self._application(), http=Connection, log_level="warning", timeout_graceful_shutdown=1
        )
        self._uvicorn = uvicorn.Server(config)
        self._ready.set()
        await self._uvicorn.serve(sockets=[self.socket])
        await self.service.stop()

    def _application(self) -> ASGIApp:
        return api.app.build(self.service, tokens=self._tokens, **self._built_with)


@pytest.fixture(scope="session")
def own_catalog(described: Path) -> Callable[[], Catalog]:
    """Makes a catalog of tests/models."""
    return lambda: Catalog.load([MODELS], described)


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, own_catalog: Callable[[], Catalog]
) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("api"), own_catalog()) as running:
        yield running


class Http(httpx.Client):
    """Requests below /v1, and the few steps that most tests share."""

    def create(self, model: str, inputs: dict, prefer: str | None = None, **more) -> dict:
        headers = {"Prefer": prefer} if prefer else {}
        body = {"input": inputs, **more}
        response = self.post(f"models/{model}/predictions", json=body, headers=headers)
        assert response.is_success, response.text
        return response.json()

    def run(self, model: str, inputs: dict) -> dict:
        return self.create(model, inputs, "wait")

    def until(self, prediction: dict, *statuses: str) -> dict:
        """The prediction once it has one of `statuses`, or has ended."""
        while prediction["status"] not in (*statuses, *ENDED):
            prediction = self.get(f"predictions/{prediction['id']}").json()
        return prediction


@pytest.fixture(scope="session")
def http(server: Server) -> Iterator[Http]:
    with Http(base_url=f"{server.url}/v1/", timeout=70) as client:
        yield client


@pytest.fixture
def client(server: Server) -> Iterator[replicate.Client]:
    """The official Python client."""
    client = replicate.Client(api_token="any", base_url=server.url)
    client.poll_interval = 0.01
    yield client
    client._client.close()


@pytest.fixture
async def async_client(server: Server) -> AsyncIterator[replicate.Client]:
    """The official Python client, for its `async_` half."""
    client = replicate.Client(api_token="any", base_url=server.url)
    client.poll_interval = 0.01
    yield client
    await client._async_client.aclose()
