"""What a prediction costs over the model itself: a no-op model against a bare FastAPI echo route.

    python -m bench.overhead

Every prediction is held (`Prefer: wait`), runs in a child process, and is committed to the database
before it is answered.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time

from bench.serving import Connection, atelier, bare_route

ONE_BY_ONE = 1000
CONNECTIONS = 16
AT_ONCE = 6000
BODY = json.dumps({"input": {"text": "hello"}}).encode()
PATH = "/v1/models/local/no-op/predictions"


async def latencies(address: str, path: str, headers: str, count: int) -> list[float]:
    """Seconds per request, one after another on one connection, after a warm-up."""
    taken = []
    async with Connection(address) as connection:
        for number in range(count + 50):
            began = time.perf_counter()
            status, body = await connection.post(path, BODY, headers)
            if number >= 50:
                taken.append(time.perf_counter() - began)
            assert status in (200, 201), body
    return taken


async def throughput(address: str, path: str, headers: str) -> float:
    """Requests per second over all connections; one that is refused ends the benchmark."""
    left = iter(range(AT_ONCE))

    async def worker() -> None:
        async with Connection(address) as connection:
            for _ in left:
                status, body = await connection.post(path, BODY, headers)
                assert status in (200, 201), body
                assert not headers or b'"succeeded"' in body, body

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return AT_ONCE / (time.perf_counter() - began)


def main() -> None:
    wait = "Prefer: wait\r\n"
    with bare_route() as (bare, _), atelier() as (app, _):
        asyncio.run(latencies(app, PATH, wait, 50))
        base, ours = [], []
        for _ in range(4):
            base += asyncio.run(latencies(bare, "/echo", "", ONE_BY_ONE // 4))
            ours += asyncio.run(latencies(app, PATH, wait, ONE_BY_ONE // 4))
        base_ms, our_ms = statistics.median(base) * 1e3, statistics.median(ours) * 1e3
        print(f"one connection, p50: bare route {base_ms:.2f} ms, prediction {our_ms:.2f} ms")
        print(f"  added {our_ms - base_ms:.2f} ms (goal: under 2), ratio {our_ms / base_ms:.2f}")
        base_rate = asyncio.run(throughput(bare, "/echo", ""))
        our_rate = asyncio.run(throughput(app, PATH, wait))
        print(
            f"{CONNECTIONS} connections: bare route {base_rate:.0f}/s, predictions {our_rate:.0f}/s"
        )
        print(f"  goal: at least 800/s, none refused; ratio {our_rate / base_rate:.2f}")


if __name__ == "__main__":
    main()
