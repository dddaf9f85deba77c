"""A model of transformers that writes text: `generate` in a thread, read while it comes. No runner:
those whose output is text import it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

from text_pieces import WholeCharacters

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
            yield from self._text()
        output = self.result()
        if self._in_one:
            self.count = int((output.beam_indices[0] >= 0).sum())
            yield self._tokenizer.decode(self._written(output), skip_special_tokens=True).strip()

    def _text(self) -> Iterator[str]:
        characters = WholeCharacters(self._tokenizer)
        for token in self._tokens:
            if piece := characters.add(token):
                yield piece
        if piece := characters.rest():
            yield piece

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
        if "decoder_input_ids" in self._inputs:
            return output.sequences[0, self._inputs["decoder_input_ids"].shape[1] :]
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
