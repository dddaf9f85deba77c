"""What the recipes beside this file share: their command line, and stages that can be resumed.

Each recipe is a module with a data generator, `train(run)`, which writes the folder that ships, and
`evaluate(folder, seed, count)`, which measures it and returns figures; `BARS` says between which
bounds a figure must lie for the model to ship. It knows no model.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

STARTERS = Path(__file__).resolve().parents[1]
SAVE_EVERY = 60.0
"""Seconds of training that a kill may cost."""

Figures = Mapping[str, float]
Bars = Mapping[str, tuple[float, float]]
"""A figure's name → the lowest and the highest value with which a model ships."""


@dataclass(frozen=True)
class Run:
    """One run of a recipe. `part` shortens every stage, to see a recipe work without waiting."""

    work: Path
    out: Path
    seed: int = 0
    part: float = 1.0
    device: str = "cpu"
    compile: bool = False

    def compiled(self, module: Any) -> Any:
        """The module made faster, if asked for: this takes a C++ compiler and a minute."""
        return torch.compile(module) if self.compile else module


@dataclass(frozen=True)
class Step:
    """`number` counts from 0, `share` is how much of the stage is done, and `rng` has random
    numbers that belong to this step alone; torch's own generators are seeded from it.
    """

    number: int
    share: float
    rng: random.Random


class Stage:
    """Iterates over the steps of one stage; saves `parts` (modules, optimizers) on the way.

    Each step's random numbers follow from the seed, the stage's name and the step's number alone,
    so that a run that was killed and started again ends as one that was not.
    """

    def __init__(self, run: Run, name: str, steps: int, parts: Mapping[str, Any]) -> None:
        self.name = name
        self.steps = max(2, round(steps * run.part))
        self._run, self._parts = run, parts
        self._path = run.work / f"{name}.pt"
        self._figures: dict[str, float] = {}
        self._done = 0
        run.work.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            saved = torch.load(self._path, map_location=run.device)
            for key, part in parts.items():
                part.load_state_dict(saved["parts"][key])
            self._done = saved["done"]

    def __iter__(self) -> Iterator[Step]:
        began = saved = said = time.monotonic()
        first = self._done
        for number in range(first, self.steps):
            rng = random.Random(f"{self._run.seed} {self.name} {number}")
            torch.manual_seed(rng.getrandbits(63))
            yield Step(number, number / self.steps, rng)
            self._done = number + 1
            now = time.monotonic()
            if now - said > 10 or self._done == self.steps:
                said = now
                self._say((now - began) / (self._done - first))
            if now - saved > SAVE_EVERY:
                saved = now
                self._save()
        if self._done > first:
            self._save()

    def note(self, **figures: Any) -> None:
        """Figures of this step, for the progress line: smoothed, so that a trend shows."""
        for name, value in figures.items():
            value = float(value.detach() if isinstance(value, torch.Tensor) else value)
            self._figures[name] = 0.98 * self._figures.get(name, value) + 0.02 * value

    def _say(self, seconds: float) -> None:
        left = seconds * (self.steps - self._done) / 60
        figures = ", ".join(f"{name} {value:.4f}" for name, value in self._figures.items())
        print(
            f"{self.name}: step {self._done} of {self.steps}, {seconds * 1000:.0f} ms each, "
            f"{left:.1f} min left, {figures}",
            flush=True,
        )

    def _save(self) -> None:
        new = self._path.with_suffix(".new")
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        torch.save({"done": self._done, "parts": parts}, new)
        new.replace(self._path)


def cosine(share: float, peak: float, warm: float = 0.02, floor: float = 0.01) -> float:
    """The learning rate: up to `peak` within the share `warm`, then down to `floor` of it."""
    if share < warm:
        return peak * (share + 1e-3) / warm
    half = 0.5 * (1 + math.cos(math.pi * (share - warm) / (1 - warm)))
    return peak * (floor + (1 - floor) * half)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def descend(
    loss: torch.Tensor, parameters: Any, optimizer: torch.optim.Optimizer, clip: float = 1.0
) -> None:
    """One step down the loss, with the gradient's norm clipped."""
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()


def main(
    doc: str | None,
    name: str,
    train: Callable[[Run], None],
    evaluate: Callable[[Path, int, int], Figures],
    count: int,
) -> None:
    """A recipe's command: trains and ships, then prints the figures of `count` samples."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    parser.add_argument("--part", type=float, default=1.0, help="of the steps; 0.01 to try it out")
    parser.add_argument("--compile", action="store_true", help="faster; needs a C++ compiler")
    parser.add_argument(
        "--work", type=Path, default=Path("build") / name, help="checkpoints; keeps a stopped run"
    )
    parser.add_argument("--out", type=Path, default=STARTERS / name, help="the folder that ships")
    parser.add_argument("--evaluate", action="store_true", help="only measure what is in --out")
    parser.add_argument("--count", type=int, default=count, help="of samples to measure with")
    given = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    torch.set_num_threads(given.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if not given.evaluate:
        train(Run(given.work, given.out, given.seed, given.part, device, given.compile))
    for figure, value in evaluate(given.out, given.seed + 1, given.count).items():
        print(f"{figure}: {value:g}", flush=True)
