"""What previews cost: a long run of `starter/shapes` by its runner, with previews and without.

    python -m bench.previews

In one process, by turns, in seconds of the processor: a share of some per cent is lost in what else
a machine does, not in these.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
import time
from typing import Any

from bench.serving import ROOT
from cog.loading import load
from cog.scope import Scope, entered

ROUNDS = 7
STEPS = 200
GOAL = 0.03
SHAPES = ROOT / "model_registry" / "starter" / "shapes"


class Heard:
    """Counts the previews; takes all else as it comes."""

    def __init__(self) -> None:
        self.previews = 0

    def metric(self, name: str, value: Any, mode: str) -> None: ...

    def progress(self, done: float, total: float | None, unit: str) -> None: ...

    def preview(self, image: bytes) -> None:
        self.previews += 1


class Blind(Scope):
    def wants_preview(self) -> bool:
        return False


def main() -> None:
    runner = load(str(ROOT / "model_registry" / "runners"), "text_to_image.py:TextToImage")
    runner.setup(str(SHAPES))
    given = {"prompt": "a red circle on a blue background", "seed": 15, "output_format": "png"}
    arguments = runner.arguments({**given, "num_inference_steps": STEPS})
    heard = Heard()

    def run(scope: Scope) -> float:
        began = time.process_time()
        with entered(scope), contextlib.redirect_stdout(io.StringIO()):
            list(runner.call(**arguments))
        return time.process_time() - began

    run(Blind("", Heard()))
    without, with_them = [], []
    for _ in range(ROUNDS):
        without.append(run(Blind("", Heard())))
        with_them.append(run(Scope("", heard)))
    share = 1 - statistics.median(a / b for a, b in zip(without, with_them, strict=True))
    print(
        f"previews: {min(with_them):.2f} s with {heard.previews / ROUNDS:.1f} of them, "
        f"{min(without):.2f} s without; {share:.1%} of a run, the median of {ROUNDS} pairs "
        f"(goal: under {GOAL:.0%})"
    )
    if share >= GOAL:
        sys.exit("over the goal")


if __name__ == "__main__":
    main()
