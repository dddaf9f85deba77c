"""Chooses the next token of one text from its logits."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

RECENT = 64
"""How many of the last tokens `repeat_penalty` looks at, as llama.cpp does."""


@dataclass(frozen=True)
class Sampling:
    """How to choose. Temperature 0 takes the likeliest; `top_k` 0 is no limit."""

    temperature: float = 0.6
    top_p: float = 0.9
    top_k: int = 50
    presence_penalty: float = 0
    frequency_penalty: float = 0
    repeat_penalty: float = 1


class Sampler:
    """One text's chooser: has its own random numbers, so that other texts never change them, and
    remembers what it chose, for the penalties.
    """

    def __init__(self, seed: int, device: Any, sampling: Sampling, asked: list[int]) -> None:
        """`asked` are the tokens of the prompt."""
        import torch

        self._generator = torch.Generator(device).manual_seed(seed % 2**63)
        self._sampling = sampling
        self._chosen: Counter[int] = Counter()
        self._recent = deque(asked[-RECENT:], RECENT)

    def choose(self, logits: Any, banned: frozenset[int]) -> int:
        """The next token, none of the banned. Changes `logits`."""
        token = self._pick(self._penalised(logits, banned))
        self._chosen[token] += 1
        self._recent.append(token)
        return token

    def _penalised(self, logits: Any, banned: frozenset[int]) -> Any:
        import torch

        sampling = self._sampling
        if banned:
            logits[list(banned)] = float("-inf")
        if sampling.repeat_penalty != 1 and self._recent:
            seen = sorted(set(self._recent))
            given, penalty = logits[seen], sampling.repeat_penalty
            logits[seen] = torch.where(given > 0, given / penalty, given * penalty)
        if self._chosen and (sampling.presence_penalty or sampling.frequency_penalty):
            counts = logits.new_tensor(list(self._chosen.values()))
            penalty = sampling.presence_penalty + sampling.frequency_penalty * counts
            logits[list(self._chosen)] -= penalty
        return logits

    def _pick(self, logits: Any) -> int:
        import torch

        sampling = self._sampling
        if sampling.temperature < 1e-3:  # dividing by less would overflow
            return int(logits.argmax())
        top = min(sampling.top_k or len(logits), len(logits))
        values, tokens = logits.topk(top)
        likely = torch.softmax(values / sampling.temperature, -1)
        if sampling.top_p < 1:
            # A token stays while those before it have not filled the share; so one always stays.
            likely[likely.cumsum(-1) - likely > sampling.top_p] = 0
        return int(tokens[torch.multinomial(likely, 1, generator=self._generator)])
