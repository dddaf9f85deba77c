"""Tokens become text piece by piece: whole characters only, and nothing past a stop sequence."""

from __future__ import annotations

from typing import Any


class WholeCharacters:
    """Tokens in, text out: a character that spans several tokens comes when it is complete."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._given = 0  # how many of the tokens have become text

    def add(self, token: int) -> str:
        self._tokens.append(token)
        text = self._pending()
        if not text or text.endswith("\ufffd"):
            return ""
        # The last piece stays as context: some tokenizers write a token's space only after another.
        self._tokens, self._given = self._tokens[self._given :], len(self._tokens) - self._given
        return text

    def rest(self) -> str:
        """What is left at the end, without a character that was cut off."""
        return self._pending().rstrip("\ufffd")

    def _pending(self) -> str:
        before = self._decoded(self._tokens[: self._given])
        return self._decoded(self._tokens)[len(before) :]

    def _decoded(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))


class StopSequences:
    """Lets text pass up to the first stop sequence; holds back what may be the start of one."""

    def __init__(self, sequences: str) -> None:
        """`sequences`: separated by commas."""
        self._sequences = [each for each in sequences.split(",") if each]
        self._held = ""
        self.reached = False

    def passed(self, text: str) -> str:
        if self.reached:
            return ""
        text = self._held + text
        starts = [start for each in self._sequences if (start := text.find(each)) >= 0]
        if starts:
            self.reached, self._held = True, ""
            return text[: min(starts)]
        keep = max((_overlap(text, each) for each in self._sequences), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """What was held back and turned out to be no stop sequence."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, sequence: str) -> int:
    """The length of the longest end of `text` with which `sequence` begins."""
    longest = min(len(text), len(sequence) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(sequence[:size])), 0)
