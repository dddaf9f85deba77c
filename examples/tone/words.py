"""Counts words by label. Both doors of the model, `predict.py` and `train.py`, import it."""

import collections
import json
import math
import re
from collections.abc import Iterable

WORD = re.compile(r"[^\W\d_]+")


class Counts:
    """How often each label's texts have each word: a naive Bayes classifier."""

    def __init__(self, words: dict[str, dict[str, int]], texts: dict[str, int]) -> None:
        self.words = words
        self.texts = texts

    @classmethod
    def learn(cls, rows: Iterable[tuple[str, str]]) -> "Counts":
        words: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        texts: collections.Counter[str] = collections.Counter()
        for text, label in rows:
            words[label].update(set(WORD.findall(text.lower())))
            texts[label] += 1
        return cls({label: dict(counted) for label, counted in words.items()}, dict(texts))

    @classmethod
    def load(cls, path: str) -> "Counts":
        with open(path, encoding="utf-8") as opened:
            return cls(**json.load(opened))

    def save(self, path: str) -> None:
        with open(path, "w", encoding="utf-8") as opened:
            json.dump({"words": self.words, "texts": self.texts}, opened, ensure_ascii=False)

    def scores(self, text: str) -> dict[str, float]:
        """How likely each label is, most likely first; together they are 1."""
        total = sum(self.texts.values())
        found = set(WORD.findall(text.lower()))
        logs = {
            label: math.log(count / total)
            + sum(math.log((self.words[label].get(word, 0) + 1) / (count + 2)) for word in found)
            for label, count in self.texts.items()
        }
        best = max(logs.values())
        weights = {label: math.exp(each - best) for label, each in logs.items()}
        whole = sum(weights.values())
        ordered = sorted(weights, key=lambda label: -weights[label])
        return {label: round(weights[label] / whole, 4) for label in ordered}
