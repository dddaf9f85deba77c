"""Tells what a model thinks from what it answers.

Two ways are known: tags (`<think>…</think>`: Qwen3, DeepSeek-R1 and others) and the channels of
OpenAI's Harmony format (gpt-oss: what is not in the channel `final` is thought). A model with
neither only answers.
"""

from __future__ import annotations

from typing import Any, Protocol

from text_pieces import StopSequences, WholeCharacters

LONGEST_HEADER = 64
"""Tokens of a Harmony message's header; more is no header, but a model that has lost its format."""


class Channels(Protocol):
    thinking: bool
    """Whether what comes next is thought."""

    def pass_on(self, token: int) -> list[int]:
        """The tokens to show for one that was written: none for a mark of the format."""

    def rest(self) -> list[int]:
        """The tokens to show at the end."""


class OnlyAnswer:
    thinking = False

    def pass_on(self, token: int) -> list[int]:
        return [token]

    def rest(self) -> list[int]:
        return []


class ThinkTags:
    def __init__(self, begin: int, end: int, asked: list[int]) -> None:
        """Some chat templates have the model begin with thinking: `asked` then ends so."""
        self._marks = {begin: True, end: False}
        marks = [token for token in asked if token in self._marks]
        # What the person wrote may hold both tags; only an open one at the very end counts.
        self.thinking = bool(marks) and marks[-1] == begin and begin in asked[-2:]

    def pass_on(self, token: int) -> list[int]:
        if token not in self._marks:
            return [token]
        self.thinking = self._marks[token]
        return []

    def rest(self) -> list[int]:
        return []


class Harmony:
    """`<|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…`"""

    MARKS = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>")

    def __init__(self, tokenizer: Any, asked: list[int]) -> None:
        ids = tokenizer.convert_tokens_to_ids
        self._start, self._channel, self._message, *ends = map(ids, self.MARKS)
        self._ends = set(ends)
        self._tokenizer = tokenizer
        # The prompt ends within a header, before its channel.
        marks = [token for token in asked if token in (self._start, self._message, *ends)]
        self._header: list[int] | None = [] if marks[-1:] == [self._start] else None
        self._at_first = True
        self.thinking = False

    def pass_on(self, token: int) -> list[int]:
        shown: list[int] = []
        if token == self._start or token in self._ends:
            shown = self.rest()
            self._header, self._at_first, self.thinking = [], False, False
        elif token == self._message:
            self.thinking = self._is_thought()
            self._header = None
        elif self._header is None:
            return [token]
        else:
            self._header.append(token)
            if len(self._header) > LONGEST_HEADER:
                shown, self._header = self._header, None
        return shown

    def rest(self) -> list[int]:
        """What was held for a header and is none: the text of a model that writes no channels."""
        header = self._header or []
        return header if self._at_first and self._channel not in header else []

    def _is_thought(self) -> bool:
        header = self._header or []
        if self._channel not in header:
            return False
        named = header[header.index(self._channel) + 1 :]
        return not str(self._tokenizer.decode(named)).strip().startswith("final")


def channels_of(tokenizer: Any, asked: list[int]) -> Channels:
    """How the model marks its thoughts, seen from its tokens; `asked` is the prompt."""
    known = tokenizer.get_vocab()
    if all(mark in known for mark in Harmony.MARKS):
        return Harmony(tokenizer, asked)
    if "<think>" in known and "</think>" in known:
        return ThinkTags(known["<think>"], known["</think>"], asked)
    return OnlyAnswer()


class Output:
    """What a person sees of the tokens that a model writes: its answer, up to a stop sequence. Its
    thoughts go to the log line by line and, if `show` says so, ahead of the answer.
    """

    def __init__(self, tokenizer: Any, asked: list[int], stop_sequences: str, show: bool) -> None:
        self._tokenizer = tokenizer
        self._channels = channels_of(tokenizer, asked)
        self._answer = WholeCharacters(tokenizer)
        self._thought: WholeCharacters | None = None
        self._stop = StopSequences(stop_sequences)
        self._show = show
        self._line = ""
        self._begins = False

    @property
    def stopped(self) -> bool:
        return bool(self._stop.reached)

    @property
    def thinking(self) -> bool:
        return self._channels.thinking

    def add(self, token: int) -> str:
        """What there is more to see."""
        shown = self._channels.pass_on(token)
        if self._channels.thinking:
            return "".join(map(self._think, shown))
        ended = self._end_thought()
        return ended + "".join(map(self._say, shown))

    def rest(self) -> str:
        """What was held back, at the end."""
        text = self._end_thought() + "".join(map(self._say, self._channels.rest()))
        return f"{text}{self._stop.passed(self._answer.rest())}{self._stop.rest()}"

    def _say(self, token: int) -> str:
        piece = self._answer.add(token)
        if self._begins:  # the empty lines after a thought are no part of the answer
            piece = piece.lstrip()
            self._begins = not piece
        return str(self._stop.passed(piece))

    def _think(self, token: int) -> str:
        begins = self._thought is None
        if self._thought is None:
            self._thought = WholeCharacters(self._tokenizer)
            print("The model thinks:")
        piece = self._thought.add(token)
        self._log(piece)
        return ("<think>" if begins else "") + piece if self._show else ""

    def _end_thought(self) -> str:
        if self._thought is None:
            return ""
        rest = self._thought.rest()
        self._log(rest + "\n")
        self._thought, self._begins = None, True
        return f"{rest}</think>\n\n" if self._show else ""

    def _log(self, piece: str) -> None:
        *lines, self._line = (self._line + piece).split("\n")
        for line in lines:
            if line.strip():
                print(line)
