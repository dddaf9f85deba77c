"""What the benchmarks share: a running app, a bare route to hold it against, a light client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# As little as a FastAPI route can do: read JSON, answer JSON.
BARE = """
import socket, sys
import uvicorn
from fastapi import FastAPI, Request
app = FastAPI()
@app.post("/echo")
async def echo(request: Request):
    return await request.json()
listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
print("http://127.0.0.1:%d" % listening.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listening])
"""


@contextlib.contextmanager
def atelier(*options: str) -> Iterator[tuple[str, int]]:
    """A fresh app on a free port with the test models; gives its host:port and process id."""
    with tempfile.TemporaryDirectory() as data:
        command = [
            sys.executable, "app.py", "--port", "0", "--data", data,
            "--models", str(ROOT / "tests" / "models"), *options,
        ]  # fmt: skip
        with serving(command) as served:
            yield served


@contextlib.contextmanager
def bare_route() -> Iterator[tuple[str, int]]:
    with serving([sys.executable, "-c", BARE]) as served:
        yield served


@contextlib.contextmanager
def serving(command: list[str]) -> Iterator[tuple[str, int]]:
    """A server that prints its address; gives its host:port and process id."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUTF8": "1"}
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://([\d.]+:\d+)", line):
                yield found[1], process.pid
                return
        raise RuntimeError(f"{command} ended without an address")
    finally:
        process.terminate()
        process.wait()


class Connection:
    """One keep-alive connection that speaks just enough HTTP to cost the benchmark little."""

    def __init__(self, address: str) -> None:
        self._host, port = address.rsplit(":", 1)
        self._port = int(port)
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._writer.close()

    async def post(self, path: str, body: bytes, headers: str = "") -> tuple[int, bytes]:
        """Status and body of the answer."""
        self._writer.write(
            f"POST {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n{headers}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert found is not None, head
        return int(head[9:12]), await self._reader.readexactly(int(found[1]))

    async def events(self, path: str) -> asyncio.StreamReader:
        """The body of a stream, after its headers, still in chunks."""
        self._writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n\r\n".encode()
        )
        await self._reader.readuntil(b"\r\n\r\n")
        return self._reader
