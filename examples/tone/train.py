"""Trains the model: what this returns becomes the weights of a new version of it."""

import csv
import random
import tempfile

from words import Counts

from cog import BaseModel, Input, Path, current_scope


class TrainingOutput(BaseModel):
    weights: Path


def train(
    texts: Path = Input(description="A CSV file with the columns text and label", accept=".csv"),
    held_back: float = Input(
        description="What part of the texts measures the rest", default=0.2, ge=0, le=0.5
    ),
    seed: int = Input(description="Which texts those are", default=0),
) -> TrainingOutput:
    with open(texts, encoding="utf-8", newline="") as opened:
        rows = [(row.get("text"), row.get("label")) for row in csv.DictReader(opened)]
    rows = [(text, label) for text, label in rows if text and label]
    if len({label for _, label in rows}) < 2:
        raise ValueError("The CSV needs the columns text and label, and two labels at least.")
    random.Random(seed).shuffle(rows)
    measured = rows[: int(len(rows) * held_back)]
    taught = rows[len(measured) :]
    counts = Counts.learn(taught)
    print(f"learnt {len(taught)} texts with {len(counts.texts)} labels")
    if measured:
        right = sum(next(iter(counts.scores(text))) == label for text, label in measured)
        current_scope().record_metric("accuracy", right / len(measured))
        print(f"{right} of {len(measured)} texts that it had not seen are right")
    made = Path(tempfile.mkdtemp()) / "weights.json"
    counts.save(str(made))
    return TrainingOutput(weights=made)
