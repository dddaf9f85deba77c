"""What 500 model folders add to a start of the app, once they have been described.

python -m bench.restart
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from bench.describe import MODEL
from model_registry.catalog import Catalog

FOLDERS = 500
ROUNDS = 5


def seconds(models: tuple[Path, ...], data: Path, specs: Path) -> float:
    began = time.perf_counter()
    catalog = Catalog.load(models, data, specs)
    taken = time.perf_counter() - began
    assert not models or len(catalog.models()) == FOLDERS, catalog.broken
    return taken


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, data = Path(folder, "models"), Path(folder, "data")
        data.mkdir()
        for number in range(FOLDERS):
            place = root / f"model-{number}"
            place.mkdir(parents=True)
            (place / "cog.yaml").write_text("predict: predict.py:Predictor\n")
            (place / "predict.py").write_text(MODEL + f"\nNUMBER = {number}\n")
            (place / "README.md").write_text(f"# Model {number}\n\nOne of many.\n")
        specs = Path(folder, "no-specs")
        first = seconds((root,), data, specs)
        again = statistics.median(seconds((root,), data, specs) for _ in range(ROUNDS))
        bare = statistics.median(seconds((), data, specs) for _ in range(ROUNDS))
    print(f"described for the first time {first:.1f} s, again {again:.2f} s, without {bare:.3f} s")
    print(f"  {FOLDERS} folders add {again - bare:.2f} s to a restart (goal: under 1)")


if __name__ == "__main__":
    main()
