"""How long a no-op model's round trip takes, parent → child → parent, against a bare pipe.

    python -m bench.ipc

The same process stands at the other end of both: the pipe carries as many bytes each way as the
messages of a run, and answers at once.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from model_registry.spec import Code
from workers import messages
from workers.devices import find_devices
from workers.messages import Message, frame
from workers.process import ChildProcess, load_message

ROUNDS = 3000
NO_OP = Path(__file__).resolve().parent.parent / "tests" / "models" / "no-op"
RUN = messages.Run("a" * 26, {}, "/tmp/outputs")

ECHO = f"""
import os
while True:
    got = os.read(0, {len(frame(RUN))})
    if not got:
        break
    os.write(1, b"x" * 120)
"""


class Listening:
    """The parent's end: says when a run has ended."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.ended: asyncio.Future[None] | None = None

    def received(self, received: list[Message]) -> None:
        for message in received:
            if isinstance(message, messages.Ready):
                self.ready.set()
            elif isinstance(message, messages.Succeeded) and self.ended is not None:
                self.ended.set_result(None)
            assert not isinstance(message, messages.Failed | messages.SetupFailed), message

    def printed(self, text: str) -> None:
        print(text, end="", file=sys.stderr)

    def exited(self, reason: str) -> None: ...


async def of_a_child(work: Path) -> list[float]:
    child = await ChildProcess.start(None, {})
    listening = Listening()
    child.listener = listening
    (cpu,) = (each for each in find_devices(1) if not each.gpu)
    child.send(load_message(Code(str(NO_OP), "predict.py:Predictor"), cpu, work))
    await listening.ready.wait()
    loop = asyncio.get_running_loop()
    taken = []
    for _ in range(ROUNDS):
        listening.ended = loop.create_future()
        began = time.perf_counter()
        child.send(RUN)
        await listening.ended
        taken.append(time.perf_counter() - began)
    child.kill()
    await child.gone.wait()
    return taken


def of_a_pipe() -> list[float]:
    with subprocess.Popen(
        [sys.executable, "-c", ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        to, back = process.stdin.fileno(), process.stdout.fileno()
        taken = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            os.write(to, frame(RUN))
            os.read(back, 1 << 16)
            taken.append(time.perf_counter() - began)
        process.stdin.close()
    return taken


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours = asyncio.run(of_a_child(Path(folder)))[100:]
    bare = of_a_pipe()[100:]
    base, median = statistics.median(bare) * 1e3, statistics.median(ours) * 1e3
    print(f"bare pipe {base:.3f} ms, a no-op run {median:.3f} ms, p50 of {len(ours)} (goal: 0.5)")
    print(f"  p99 {sorted(ours)[len(ours) * 99 // 100] * 1e3:.3f} ms, ratio {median / base:.1f}")


if __name__ == "__main__":
    main()
