"""Text from language models: any folder that transformers loads as a causal language model."""

from __future__ import annotations

import secrets
import sys
import time
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from typing import Any

from taught import tell_unknown

from cog import BasePredictor, ConcatenateIterator, Input, InvalidInput, current_scope

PREFILL = 512
"""Tokens of the prompt that are read at once: bounds the memory, and how long a cancel waits."""

SMALL = 50_000_000
"""Parameters below which more threads gain nothing, and lose much on a busy processor."""


class TextGeneration(BasePredictor):
    def setup(self, weights: str) -> None:
        """`weights` is a folder (or a repository's id) with a model and its tokenizer."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        cuda = torch.cuda.is_available()
        self.weights = weights
        self.tokenizer = AutoTokenizer.from_pretrained(weights)
        self.model = AutoModelForCausalLM.from_pretrained(
            weights,
            dtype="auto" if cuda else torch.float32,
            device_map="auto" if cuda else None,
        ).eval()
        if not cuda and self.model.num_parameters() < SMALL:
            torch.set_num_threads(1)
        self.device = self.model.get_input_embeddings().weight.device
        self.ends = _end_tokens(self.model.generation_config.eos_token_id)
        self.ends |= _end_tokens(self.tokenizer.eos_token_id)
        known = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        self.context = min(known or sys.maxsize, self.tokenizer.model_max_length)

    def predict(  # type: ignore[misc]  # a generator, in Cog's words
        self,
        prompt: str = Input(description="What to answer, or the text to go on from."),
        system_prompt: str = Input(
            default="", description="How the model should behave, told before the prompt."
        ),
        max_tokens: int = Input(
            default=512, ge=1, le=131072, description="The most tokens to write."
        ),
        min_tokens: int = Input(
            default=0, ge=0, le=131072, description="The fewest tokens to write before stopping."
        ),
        temperature: float = Input(
            default=0.6,
            ge=0,
            le=5,
            description="0 always takes the likeliest token; more is wilder.",
        ),
        top_p: float = Input(
            default=0.9,
            ge=0,
            le=1,
            description="Choose among the likeliest tokens that together have this probability.",
        ),
        top_k: int = Input(
            default=50, ge=0, description="Choose among this many likeliest tokens; 0: all of them."
        ),
        presence_penalty: float = Input(
            default=0, ge=-2, le=2, description="Above 0: avoid what was already written."
        ),
        frequency_penalty: float = Input(
            default=0, ge=-2, le=2, description="Above 0: avoid it more, the more often it came."
        ),
        stop_sequences: str = Input(
            default="", description="Stop before any of these texts; separate them by commas."
        ),
        seed: int | None = Input(
            default=None, description="The same seed gives the same text; unset, a random one."
        ),
    ) -> ConcatenateIterator[str]:
        """Writes on from the prompt, and yields the text as it comes."""
        if min_tokens > max_tokens:
            raise InvalidInput(
                f"min_tokens is {min_tokens}, over max_tokens, which is {max_tokens}."
            )
        seed = secrets.randbits(32) if seed is None else seed
        print(f"Using seed: {seed}")
        asked = self._encode(prompt, system_prompt)
        tell_unknown(prompt, self.weights)
        sampler = _Sampler(
            seed, self.device, temperature, top_p, top_k, presence_penalty, frequency_penalty
        )
        text = _WholeCharacters(self.tokenizer)
        stop = _StopSequences(stop_sequences)
        with closing(self._answer(asked, sampler, min_tokens, max_tokens)) as tokens:
            for token in tokens:
                if piece := stop.passed(text.add(token)):
                    yield piece
                if stop.reached:
                    break
        if piece := stop.passed(text.rest()) + stop.rest():
            yield piece

    def _answer(
        self, asked: list[int], sampler: _Sampler, fewest: int, most: int
    ) -> Generator[int, None, None]:
        """The tokens that follow those asked, as they are chosen, without the one that ends them.

        Records how many there were and how fast they came, however it ends.
        """
        from transformers import DynamicCache

        scope = current_scope()
        scope.record_metric("input_token_count", len(asked))
        began = first = time.perf_counter()
        room = self.context - len(asked)
        cache = DynamicCache(config=self.model.config)
        unread, written = asked, 0
        try:
            while written < min(most, room):
                logits = self._read(unread, cache)
                token = sampler.choose(logits, self.ends if written < fewest else frozenset())
                unread, written = [token], written + 1
                if written == 1:
                    first = time.perf_counter()
                    scope.record_metric("time_to_first_token", round(first - began, 4))
                if token in self.ends:
                    return
                yield token
            if room < most:
                print(f"Stopped: the model's context of {self.context} tokens is full.")
        finally:
            scope.record_metric("output_token_count", written)
            if written > 1:
                seconds = max(time.perf_counter() - first, 1e-6)
                scope.record_metric("tokens_per_second", round((written - 1) / seconds, 2))

    def _encode(self, prompt: str, system_prompt: str) -> list[int]:
        if not prompt.strip():
            raise InvalidInput("The prompt is empty. Write what the model should answer.")
        if self.tokenizer.chat_template:
            chat = [{"role": "system", "content": system_prompt}] if system_prompt else []
            chat.append({"role": "user", "content": prompt})
            text = self._chat(chat)
        else:
            text = f"{system_prompt}\n\n{prompt}" if system_prompt else prompt
        # A chat template writes its own special tokens.
        tokens: list[int] = self.tokenizer.encode(
            text, add_special_tokens=not self.tokenizer.chat_template
        )
        if len(tokens) >= self.context:
            raise InvalidInput(
                f"The prompt has {len(tokens)} tokens; this model holds {self.context} in all, "
                "its answer included. Shorten the prompt."
            )
        return tokens

    def _chat(self, chat: list[dict[str, str]]) -> str:
        from jinja2.exceptions import TemplateError

        try:
            return str(
                self.tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
            )
        except TemplateError as error:
            raise InvalidInput(f"The model's chat template refuses this prompt: {error}") from error

    def _read(self, tokens: list[int], cache: Any) -> Any:
        """Adds the tokens to the cache; gives the logits of the one that follows them."""
        import torch

        for start in range(0, len(tokens), PREFILL):
            part = torch.tensor([tokens[start : start + PREFILL]], device=self.device)
            with torch.no_grad():
                output = self.model(part, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return output.logits[0, -1].float()


def _end_tokens(given: int | list[int] | None) -> frozenset[int]:
    if given is None:
        return frozenset()
    return frozenset([given] if isinstance(given, int) else given)


class _Sampler:
    """Chooses the next token; remembers what it chose, for the penalties."""

    def __init__(
        self,
        seed: int,
        device: Any,
        temperature: float,
        top_p: float,
        top_k: int,
        presence_penalty: float,
        frequency_penalty: float,
    ) -> None:
        import torch

        self._generator = torch.Generator(device).manual_seed(seed % 2**63)
        self._temperature = temperature
        self._top_p = top_p
        self._top_k = top_k
        self._presence = presence_penalty
        self._frequency = frequency_penalty
        self._chosen: Counter[int] = Counter()

    def choose(self, logits: Any, banned: frozenset[int]) -> int:
        token = self._pick(self._penalised(logits, banned))
        self._chosen[token] += 1
        return token

    def _penalised(self, logits: Any, banned: frozenset[int]) -> Any:
        if banned:
            logits[list(banned)] = float("-inf")
        if self._chosen and (self._presence or self._frequency):
            counts = logits.new_tensor(list(self._chosen.values()))
            logits[list(self._chosen)] -= self._presence + self._frequency * counts
        return logits

    def _pick(self, logits: Any) -> int:
        import torch

        if self._temperature < 1e-3:  # dividing by less would overflow
            return int(logits.argmax())
        top = min(self._top_k or len(logits), len(logits))
        values, tokens = logits.topk(top)
        likely = torch.softmax(values / self._temperature, -1)
        if self._top_p < 1:
            # A token stays while those before it have not filled the share; so one always stays.
            likely[likely.cumsum(-1) - likely > self._top_p] = 0
        return int(tokens[torch.multinomial(likely, 1, generator=self._generator)])


class _WholeCharacters:
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


class _StopSequences:
    """Lets text pass up to the first stop sequence; holds back what may be the start of one."""

    def __init__(self, sequences: str) -> None:
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
