"""HTTP to addresses that somebody else chose: webhooks and file inputs.

A server that fetches whatever it is told to can be made to speak to what only it can reach: itself,
its network, the metadata service of its cloud. So the address is checked when the connection is
made, after its name is resolved, and that very address is connected to; a redirect is a connection
like any other.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from cog.addresses import Address, addresses, is_public, refusal
from errors import AtelierError


class ForbiddenAddress(AtelierError):
    def __init__(self, host: str, address: Address) -> None:
        super().__init__(refusal(host, address))


def client(allow_private: bool, **options: Any) -> httpx.AsyncClient:
    """A client for such addresses; `options` are those of `httpx.AsyncClient`.

    Its requests raise `ForbiddenAddress` besides httpx's errors.
    """
    if allow_private:
        return httpx.AsyncClient(**options)
    transport = httpx.AsyncHTTPTransport(limits=options.pop("limits", httpx.Limits()))
    # httpx has no door for this, and a transport of our own would be a copy of its own.
    transport._pool._network_backend = _Guarded()
    return httpx.AsyncClient(transport=transport, **options)


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only."""

    def __init__(self) -> None:
        self._connecting = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failed: Exception = httpcore.ConnectError(f"{host} has no address.")
        for address in await public_addresses(host, port):
            try:
                return await self._connecting.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("a socket of this machine is no public address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def public_addresses(host: str, port: int) -> list[Address]:
    """All addresses of a host, each of them public. Raises `ForbiddenAddress`, and httpcore's
    `ConnectError` for a name that nobody knows.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} cannot be resolved ({error})") from error
    resolved = addresses(found)
    for address in resolved:
        if not is_public(address):
            raise ForbiddenAddress(host, address)
    return resolved
