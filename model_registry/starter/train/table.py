"""Measures every starter that ships and prints its figures beside the bars it has to pass.

    python -m model_registry.starter.train.table
    python -m model_registry.starter.train.table shapes story --seed 7

Exits with 1 if a figure lies outside its bar.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from collections.abc import Iterator

from model_registry.starter.train.training import STARTERS

RECIPES = (
    "shapes", "story", "listen", "motion", "enlarge", "cutout", "caption", "melody", "solid",
)  # fmt: skip
"""In the order of their worth. `speak` has no weights, and so nothing to train or measure."""


def shipped() -> list[str]:
    """The recipes whose model ships."""
    return [name for name in RECIPES if (STARTERS / name / "README.md").exists()]


def measured(name: str, seed: int) -> dict[str, float]:
    """A starter's figures, from its recipe's own command: in a process that gives all back."""
    command = [sys.executable, "-m", f"model_registry.starter.train.{name}"]
    command += ["--evaluate", "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} cannot be measured:\n{done.stderr}")
    lines = [line.rpartition(": ") for line in done.stdout.splitlines()]
    return {figure: float(value) for figure, _, value in lines if _is_number(value)}


def rows(names: list[str], seed: int) -> Iterator[tuple[str, str, float, str, bool]]:
    """Model, figure, value, bar in words, and whether it is passed."""
    for name in names:
        bars = importlib.import_module(f"model_registry.starter.train.{name}").BARS
        for figure, value in measured(name, seed).items():
            lowest, highest = bars.get(figure, (None, None))
            if lowest is None:
                yield name, figure, value, "", True
            else:
                passed = lowest <= value <= highest
                yield name, figure, value, _in_words(lowest, highest), passed


def _in_words(lowest: float, highest: float) -> str:
    return f"at least {lowest:g}" if lowest else f"at most {highest:g}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="some of: " + ", ".join(RECIPES))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')} · seed {given.seed} · `make evaluate`\n")
    print("| model | figure | value | bar |\n| --- | --- | --- | --- |", flush=True)
    failed = False
    for name, figure, value, bar, passed in rows(given.names or shipped(), given.seed):
        failed |= not passed
        mark = "" if passed else " **missed**"
        print(f"| `starter/{name}` | {figure} | {value:g} | {bar}{mark} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
