"""Which models of the Hub bring texts in order, and how those are asked that answer in a word."""

from __future__ import annotations

import re
from dataclasses import replace

from model_registry.hub_facts import Facts
from model_registry.hub_tasks import Task

BY_WORD = Task(
    "texts in order",
    "text_ranking_by_word:TextRankingByWord",
    "language",
    ("text-ranking",),
    ("MODEL_FOR_CAUSAL_LM",),
    trusts=False,
    large=True,
)
"""With one of the `_FORMS` in its setup."""
_FORMS = {
    "qwen3-reranker": "qwen3",
    "bge-reranker-v2-gemma": "bge",
    "mxbai-rerank-(base|large)-v2": "mxbai",
}
"""Patterns of the names of those that answer in a word, and how they are asked: their class does
not say.
"""


def ranks(facts: Facts) -> bool:
    """Whether it says how well a text fits a question."""
    words = {facts.repo.rpartition("/")[2].lower(), *facts.listing.tags, facts.listing.task or ""}
    if any(name.endswith("ForSequenceClassification") for name in facts.architectures):
        count = len(facts.part("id2label")) or facts.config.get("num_labels") or 2
        said = any(re.search("rerank|cross-?encoder|ranking", word) for word in words)
        return count == 1 and (said or "modules.json" in facts.json)
    return facts.listing.task == "text-ranking"


def by_word(facts: Facts) -> Task:
    """The task of a language model that ranks. Raises `BrokenModel` where it is not known how."""
    for pattern, form in _FORMS.items():
        if any(re.search(pattern, name.lower()) for name in (facts.repo, facts.base)):
            return replace(BY_WORD, setup={"form": form})
    raise facts.refusal(
        "it ranks texts by the words that it would write next, and only its owner knows how it is "
        "asked. Known are such as hf:Qwen/Qwen3-Reranker-0.6B; rerankers with a class for sequence "
        "classification will do, too."
    )
