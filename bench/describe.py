"""How long describing a model of 20 inputs takes, against the bare start of the interpreter.

python -m bench.describe
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 20
INPUTS = ",\n        ".join(
    f"input_{number}: {kind} = Input(default={default!r}, description='One of twenty')"
    for number, (kind, default) in enumerate(
        [("str", "a"), ("int", 1), ("float", 0.5), ("bool", True), ("Optional[Path]", None)] * 4
    )
)
MODEL = f"""
from typing import Optional
from cog import BasePredictor, Input, Path

class Predictor(BasePredictor):
    def predict(
        self,
        {INPUTS},
    ) -> str: ...
"""


def seconds(*arguments: str) -> float:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment
    )
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "predict.py").write_text(MODEL)
        bare = ("-c", "pass")
        describe = ("-m", "cog.describe", folder, "predict.py:Predictor")
        pairs = [(seconds(*bare), seconds(*describe)) for _ in range(ROUNDS)][2:]
    base, ours = (statistics.median(each) * 1e3 for each in zip(*pairs, strict=True))
    print(f"bare interpreter {base:.0f} ms, describing 20 inputs {ours:.0f} ms")
    print(f"  added {ours - base:.0f} ms (goal: under 60), ratio {ours / base:.2f}")


if __name__ == "__main__":
    main()
