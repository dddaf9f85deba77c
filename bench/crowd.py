"""How a crowd that waits weighs on the server: 200 held requests and 500 idle event streams.

    python -m bench.crowd

They come three times. None may be refused, a poll beside them stays under 100 ms (p99), and the
memory comes back each time: what the first crowd makes the server load stays, a later one leaves
nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from bench.serving import Connection, atelier

HELD, STREAMS, POLLS, TIMES = 200, 500, 500, 3
SETTLING = 3.0
"""Seconds after a crowd before the memory is read."""
SLOW = "/v1/models/local/never-ends/predictions"
COUNTS = "/v1/models/local/counts/predictions"


@dataclass(frozen=True)
class Crowd:
    refused: int
    polls: list[float]
    memory: int
    memory_after: int


async def create(address: str, path: str, inputs: object = None) -> dict[str, object]:
    async with Connection(address) as connection:
        status, answer = await connection.post(path, json.dumps({"input": inputs or {}}).encode())
        assert status == 201, answer
        return json.loads(answer)


async def hold(address: str, seconds: int) -> int:
    """The status of a create that waits for an end that does not come."""
    async with Connection(address) as connection:
        body, prefer = json.dumps({"input": {}}).encode(), f"Prefer: wait={seconds}\r\n"
        status, _ = await connection.post(SLOW, body, prefer)
        return status


async def read(address: str, path: str, opened: asyncio.Event) -> bytes:
    """A stream from its headers to its `done`."""
    async with Connection(address) as connection:
        reader = await connection.events(path)
        opened.set()
        while True:
            line = await reader.readline()
            if line.startswith(b"event: done"):
                return line
            assert line, "the stream ended before it was done"


async def poll(address: str, path: str, times: int) -> list[float]:
    """Seconds of each of as many GETs, on one connection."""
    taken = []
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    for _ in range(times):
        began = time.perf_counter()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert head[9:12] == b"200" and found, head
        await reader.readexactly(int(found[1]))
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)
    writer.close()
    return sorted(taken)


async def cancel_all(address: str, but: Collection[str]) -> None:
    async with Connection(address) as connection:
        for path in await unfinished(address):
            if path not in but:
                await connection.post(f"{path}/cancel", b"")


async def unfinished(address: str) -> list[str]:
    found, path = [], "/v1/predictions"
    host, port = address.rsplit(":", 1)
    while path:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        size = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert size, head
        page = json.loads(await reader.readexactly(int(size[1])))
        writer.close()
        waiting = [p for p in page["results"] if p["status"] in ("starting", "processing")]
        found += [f"/v1/predictions/{each['id']}" for each in waiting]
        path = page["next"] and "{0.path}?{0.query}".format(urlsplit(page["next"]))
    return found


async def crowd(address: str, stay: Collection[str], process: psutil.Process) -> Crowd:
    """One crowd, from its coming until it is gone. `stay` are predictions that outlive it."""
    streams = [await create(address, COUNTS, {"n": 1}) for _ in range(STREAMS)]
    opened = [asyncio.Event() for _ in streams]
    readers = [
        asyncio.create_task(read(address, urlsplit(each["urls"]["stream"]).path, event))  # type: ignore[index]
        for each, event in zip(streams, opened, strict=True)
    ]
    await asyncio.gather(*(event.wait() for event in opened))
    holders = [asyncio.create_task(hold(address, 20)) for _ in range(HELD)]
    await asyncio.sleep(1)
    polls = await poll(address, next(iter(stay)), POLLS)
    memory = process.memory_full_info().uss
    statuses = await asyncio.gather(*holders)
    await cancel_all(address, stay)
    ended = await asyncio.gather(*readers)
    await asyncio.sleep(SETTLING)
    refused = sum(status not in (201, 202) for status in statuses) + STREAMS - len(ended)
    return Crowd(refused, polls, memory, process.memory_full_info().uss)


async def measure(address: str, process: psutil.Process) -> bool:
    # Both models are loaded, and each has its one place taken: whoever comes now waits.
    taking = [
        await create(address, SLOW),
        await create(address, COUNTS, {"n": 100_000, "delay": 10}),
    ]
    waiting = await create(address, SLOW)
    stay = [urlsplit(str(each["urls"]["get"])).path for each in (waiting, *taking)]  # type: ignore[index]
    alone = await poll(address, stay[0], POLLS)
    before = process.memory_full_info().uss
    crowds = [await crowd(address, stay, process) for _ in range(TIMES)]

    def p99(times: list[float]) -> float:
        return 1e3 * times[int(0.99 * (len(times) - 1))]

    refused = sum(each.refused for each in crowds)
    slowest = max(p99(each.polls) for each in crowds)
    print(f"{HELD} held requests and {STREAMS} idle streams, {TIMES} times: {refused} refused")
    print(f"a poll beside them: p99 {slowest:.1f} ms in the worst of them (goal: under 100 ms)")
    print(f"  the same poll alone: p99 {p99(alone):.1f} ms")
    print(f"  ratio of the two p99: {slowest / p99(alone):.1f}")
    print(f"memory: {before / 1e6:.1f} MB before")
    for each in crowds:
        print(f"  {each.memory / 1e6:.1f} MB with a crowd, {each.memory_after / 1e6:.1f} after it")
    left = (crowds[-1].memory_after - crowds[0].memory_after) / (TIMES - 1)
    print(f"  a crowd after the first leaves {left / 1e6:.1f} MB behind (goal: nothing)")
    return refused == 0 and slowest < 100 and left < 1e6


def main() -> None:
    with atelier() as (address, pid):
        passed = asyncio.run(measure(address, psutil.Process(pid)))
    sys.exit(not passed)


if __name__ == "__main__":
    main()
