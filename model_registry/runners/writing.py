"""A model of transformers that writes text: `generate` in a thread, read while it comes. No runner:
those whose output is text import it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from cog import current_scope


class Writing:
    """One text on its way. It ends when `stop` is called, which whoever began it must do."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        inputs: dict[str, Any],
        seed: int = 0,
        **settings: Any,
    ) -> None:
        """`settings` are what `generate` takes; with several beams the text comes all at once."""
        self.count = 0
        """Tokens written."""
        self._model = model
        self._tokenizer = tokenizer
        self._inputs = inputs
        self._seed = seed
        self._settings = settings
        self._in_one = settings.get("num_beams", 1) > 1
        self._tokens = _Tokens()
        self._stopped = threading.Event()
        self._output: Any = None
        self._error: BaseException | None = None
        self._began = self._first = self._last = time.perf_counter()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __iter__(self) -> Iterator[str]:
        """The text's pieces, none of them empty."""
        if not self._in_one:
            yield from whole_characters(self._tokens, self._tokenizer)
        output = self.result()
        if self._in_one:
            self.count = int((output.beam_indices[0] >= 0).sum())
            yield self._tokenizer.decode(self._written(output), skip_special_tokens=True).strip()

    def result(self) -> Any:
        """What `generate` gave. Raises what it raised."""
        self._thread.join()
        if self._error:
            raise self._error
        return self._output

    def stop(self) -> None:
        """Ends the writing at its next token, and waits for that."""
        self._stopped.set()
        self._thread.join()

    def tell(self) -> None:
        """Records how many tokens were written, and how fast."""
        scope = current_scope()
        scope.record_metric("output_token_count", self.count)
        if self.count:
            scope.record_metric("time_to_first_token", round(self._first - self._began, 4))
        if self.count > 1:
            seconds = max(self._last - self._first, 1e-6)
            scope.record_metric("tokens_per_second", round((self.count - 1) / seconds, 2))

    def _run(self) -> None:
        import torch
        from transformers import StoppingCriteriaList

        torch.manual_seed(self._seed)
        try:
            self._output = self._model.generate(
                **self._inputs,
                **self._settings,
                streamer=None if self._in_one else self._tokens,
                stopping_criteria=StoppingCriteriaList([self._is_over]),
                return_dict_in_generate=True,
                output_scores=self._in_one,
            )
        except BaseException as error:  # raised again by `result`, where it can be seen
            self._error = error
        finally:
            self._tokens.end()

    def _is_over(self, tokens: Any, scores: Any, **rest: Any) -> Any:
        """Asked after every token."""
        import torch

        self._last = time.perf_counter()
        if not self.count:
            self._first = self._last
        self.count += 1
        return torch.full((len(tokens),), self._stopped.is_set(), device=tokens.device)

    def _written(self, output: Any) -> Any:
        """The tokens without the prompt, which a model without an encoder repeats."""
        if self._model.config.is_encoder_decoder or "input_ids" not in self._inputs:
            return output.sequences[0]
        return output.sequences[0, self._inputs["input_ids"].shape[1] :]


class _Tokens:
    """What `generate` gives its tokens to, in its thread, and another thread takes them from."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._prompt_passed = False

    def put(self, tokens: Any) -> None:
        if self._prompt_passed:
            for token in tokens.flatten().tolist():
                self._queue.put(token)
        self._prompt_passed = True

    def end(self) -> None:
        self._queue.put(None)

    def __iter__(self) -> Iterator[int]:
        return iter(self._queue.get, None)


def whole_characters(tokens: Iterable[int], tokenizer: Any) -> Iterator[str]:
    """The tokens' text as it comes; a character that spans several tokens comes when it is
    complete.
    """
    kept: list[int] = []
    given = 0  # of those kept, how many have become text

    def text() -> str:
        known = tokenizer.decode(kept[:given], skip_special_tokens=True)
        return str(tokenizer.decode(kept, skip_special_tokens=True))[len(known) :]

    for token in tokens:
        kept.append(token)
        piece = text()
        if piece and not piece.endswith("\ufffd"):
            yield piece
            # Some tokenizers write a token's space only after another: the last piece stays.
            kept, given = kept[given:], len(kept) - given
    if piece := text().rstrip("\ufffd"):
        yield piece


class Stop:
    """Lets text pass up to the first of some texts; holds back what may be the start of one."""

    def __init__(self, sequences: str) -> None:
        """`sequences` have commas between them."""
        self._sequences = [each for each in sequences.split(",") if each]
        self._held = ""
        self.reached = False

    def passed(self, text: str) -> str:
        text, self._held = self._held + text, ""
        starts = [start for each in self._sequences if (start := text.find(each)) >= 0]
        if starts:
            self.reached = True
            return text[: min(starts)]
        keep = max((_overlap(text, each) for each in self._sequences), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """What was held back and turned out to begin none of them."""
        return self._held


def _overlap(text: str, sequence: str) -> int:
    """The length of the longest end of `text` with which `sequence` begins."""
    longest = min(len(text), len(sequence) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(sequence[:size])), 0)
