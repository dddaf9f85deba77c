"""A trainer that is a function and gives a file."""

import os
import pathlib
import tempfile
import time

from cog import Input, Path, Secret, current_scope


def train(
    word: str = Input(description="What to learn"),
    more: Path = Input(default=None, description="A text that is learnt after it"),
    token: Secret = Input(default=None),
    ending: str = Input(default="well", choices=["well", "raises", "never", "empty-handed"]),
) -> Path:
    print(f"learning {word}")
    current_scope().record_metric("loss", 0.5)
    if ending == "raises":
        raise ValueError("It cannot be learnt.")
    while ending == "never":
        time.sleep(0.01)
    if ending == "empty-handed":
        return None
    known = os.environ.get("COG_WEIGHTS")
    learnt = [pathlib.Path(known).read_text()] if known else []
    learnt += [word, *([more.read_text()] if more else [])]
    path = pathlib.Path(tempfile.mkdtemp()) / "weights.txt"
    path.write_text(" ".join(learnt))
    return Path(path)
