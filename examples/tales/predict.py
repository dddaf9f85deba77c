"""Streams text: each `yield` is on the page, and on its way to API clients, when it is made."""

import collections
import pathlib
import random

from cog import BasePredictor, ConcatenateIterator, Input, current_scope


class Predictor(BasePredictor):
    def setup(self) -> None:
        """Learns from `tales.txt` which word follows which two: put a text of your own there."""
        words = pathlib.Path("tales.txt").read_text(encoding="utf-8").split()
        self.followers = collections.defaultdict(list)
        for first, second, third in zip(words, words[1:], words[2:], strict=False):
            self.followers[first, second].append(third)
        self.beginnings = [pair for pair in self.followers if pair[0][0].isupper()]
        print(f"learnt {len(self.followers)} pairs of words")

    def predict(
        self,
        beginning: str = Input(
            description="The first words. Those that the tales do not know lead nowhere",
            default="Once upon",
        ),
        length: int = Input(description="Words at most", default=80, ge=5, le=1000),
        seed: int = Input(description="The same number tells the same tale", default=None),
    ) -> ConcatenateIterator[str]:
        chance = random.Random(seed)
        told = beginning.split()
        pair = tuple(told[-2:])
        if pair not in self.followers:
            print(f"the tales never say {' '.join(told)!r}; they begin by themselves")
            told = list(chance.choice(self.beginnings))
            pair = tuple(told)
        yield " ".join(told)
        for _ in range(length - len(told)):
            if not self.followers[pair]:
                break
            word = chance.choice(self.followers[pair])
            pair = (pair[1], word)
            current_scope().record_metric("words", 1, mode="incr")
            yield f" {word}"
