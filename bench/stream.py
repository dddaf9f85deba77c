"""How tokens travel from a model to SSE clients, against the model's own loop of the same run.

    python -m bench.stream

10,000 tokens from one prediction and 1,000 each from 16 at once must arrive complete and in order.
"""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import urlsplit

from bench.serving import Connection, atelier

PATH = "/v1/models/local/counts/predictions"


async def start(address: str, tokens: int) -> str:
    async with Connection(address) as connection:
        body = json.dumps({"input": {"n": tokens}}).encode()
        status, answer = await connection.post(PATH, body)
        assert status == 201, answer
        return str(urlsplit(json.loads(answer)["urls"]["stream"]).path)


async def read(address: str, path: str) -> tuple[list[str], float]:
    """The tokens of one stream as they came, and when the first did."""
    tokens: list[str] = []
    first = 0.0
    async with Connection(address) as connection:
        reader = await connection.events(path)
        event = b""
        while True:
            line = (await reader.readline()).rstrip(b"\r\n")
            if line.startswith(b"event: "):
                event = line[7:]
                if event == b"done":
                    return tokens, first
            elif line.startswith(b"data: ") and event == b"output":
                first = first or time.perf_counter()
                tokens.append(line[6:].decode())


async def one(address: str, tokens: int) -> tuple[float, float]:
    """Seconds to the first token and tokens per second of one stream."""
    began = time.perf_counter()
    received, first = await read(address, await start(address, tokens))
    taken = time.perf_counter() - began
    assert "".join(received).split() == [str(n) for n in range(tokens)], "lost or out of order"
    return first - began, tokens / taken


async def many(address: str, streams: int, tokens: int) -> float:
    """Tokens per second over all streams: each prediction runs, then all are read at once."""
    began = time.perf_counter()
    paths = await asyncio.gather(*(start(address, tokens) for _ in range(streams)))
    for received, _ in await asyncio.gather(*(read(address, path) for path in paths)):
        assert "".join(received).split() == [str(n) for n in range(tokens)], "lost or out of order"
    return streams * tokens / (time.perf_counter() - began)


async def measure(address: str) -> None:
    await one(address, 10)
    first = sorted([(await one(address, 1))[0] for _ in range(50)])[25]
    _, rate = await one(address, 10_000)
    together = await many(address, 16, 1000)
    print(f"time to the first token, p50, create included: {first * 1e3:.1f} ms (goal: under 20)")
    print(f"one stream of 10,000: {rate:.0f} tokens/s, complete and in order")
    print(f"16 streams of 1,000: {together:.0f} tokens/s in all (goal: at least 20,000)")
    print(f"  ratio of 16 streams to one: {together / rate:.2f}")


def main() -> None:
    with atelier() as (address, _):
        asyncio.run(measure(address))


if __name__ == "__main__":
    main()
