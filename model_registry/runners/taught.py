"""Tells a person which words of a prompt mean nothing to a model that was taught only a few.

Such a model's folder holds `taught.txt`, all its words in lower case with spaces between them. A
model without that file was taught a language, and nothing is said.
"""

from __future__ import annotations

import re
from pathlib import Path

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[^\w\s\x00-\x7f]+")
"""A word in any script, or a run of signs beyond ASCII, emoji among them."""
MOST = 12
"""How many unknown words are named, so that a page of them stays one line of the log."""


def unknown(prompt: str, weights: str) -> list[str]:
    """The words of `prompt` that the model in the folder `weights` was never taught, each once."""
    taught = _taught(weights)
    if not taught:
        return []
    words = dict.fromkeys(_WORD.findall(prompt.lower()))
    return [word for word in words if word not in taught]


def tell_unknown(prompt: str, weights: str) -> None:
    """Prints those words, and what the model does know, if there are any."""
    words = unknown(prompt, weights)
    if not words:
        return
    named = ", ".join(word if len(word) <= 24 else f"{word[:24]}…" for word in words[:MOST])
    more = f" and {len(words) - MOST} more" if len(words) > MOST else ""
    print(f"This toy was never taught: {named}{more}. They have no meaning for it.")
    taught = sorted(_taught(weights))
    if len(taught) <= 60:
        print(f"It knows: {', '.join(taught)}.")


def _taught(weights: str) -> frozenset[str]:
    file = Path(weights) / "taught.txt"
    return frozenset(file.read_text().split()) if file.is_file() else frozenset()
