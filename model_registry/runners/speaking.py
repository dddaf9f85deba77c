"""What neural voices share: refusing nothing, chance, memory, telling of each token. No runner."""

from __future__ import annotations

import os
from typing import Any

from cog import InvalidInput, current_scope


def refuse_nothing(text: str) -> None:
    if not text.strip():
        raise InvalidInput("The text is empty. Write what should be said.")


def fell_silent(name: str) -> InvalidInput:
    """Why there is no sound, of a model that chose its end as its first word."""
    return InvalidInput(
        f"{name} fell silent before it had said anything, as it now and then does. Give another "
        "seed or other words."
    )


def forget_lengths() -> None:
    """Before torch first computes: lets oneDNN keep few of the programs that it makes for each
    length of sound. No two sentences have one length, and those of thirty held 4 GB.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")


def warm(temperature: float) -> dict[str, Any]:
    return {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}


class Counting:
    """Tells of each token, of `total` if that is known. In a list for `stopping_criteria`, where it
    stops nothing; or, for a model that heeds none, as its `streamer`.
    """

    def __init__(self, total: int | None = None) -> None:
        self._total = total
        self._done = 0

    def __call__(self, tokens: Any, scores: Any, **others: Any) -> Any:
        import torch

        self.put(tokens)
        return torch.zeros(tokens.shape[0], dtype=torch.bool, device=tokens.device)

    def put(self, tokens: Any) -> None:
        self._done += 1
        done = min(self._done, self._total or self._done)
        current_scope().progress(done, self._total, unit="token")

    def end(self) -> None:
        pass
