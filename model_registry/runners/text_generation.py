"""Text from language models: any folder that transformers loads as a causal language model.

Several texts are written at once, in passes that they share (`batching.py`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from adapter import adapted, tokenizer_folder
from batching import Batch, Text, Writers
from passes import passes_of
from precision import device
from pretrained import pretrained, trusting
from prompting import Prompts, context_of
from reasoning import Output
from sampling import Sampler, Sampling
from taught import tell_unknown

from cog import (
    AsyncConcatenateIterator,
    BasePredictor,
    Input,
    InvalidInput,
    concurrent,
    current_scope,
)


class TextGeneration(BasePredictor):
    def setup(
        self,
        weights: str,
        precision: str = "",
        trust_code: bool = False,
        parts: dict[str, str] | None = None,
        gguf: dict[str, Any] | None = None,
    ) -> None:
        """`weights` is a folder with a model and its tokenizer. `trust_code` runs the code that the
        folder brings. The part `adapter` is a folder with LoRA weights for it. `gguf` names the one
        `file` that has all, and how many `numbers` are in it.
        """
        from transformers import AutoTokenizer

        if not gguf:
            _tell_unpacked(weights)
        self.weights = weights
        adapter = (parts or {}).get("adapter", "")
        told = tokenizer_folder(weights, adapter)
        given = {"gguf_file": gguf["file"]} if gguf else trusting(trust_code)
        self.tokenizer = AutoTokenizer.from_pretrained(told, **given)
        self.model = pretrained("AutoModelForCausalLM", weights, precision, trust_code, gguf)
        if adapter:
            self.model = adapted(self.model, adapter, self.tokenizer)
        embeddings = self.model.get_input_embeddings().weight
        self.device = embeddings.device
        self.context = context_of(self.model, self.tokenizer)
        self.prompts = Prompts(self.tokenizer, self.context, len(embeddings))
        self.ends = _end_tokens(self.model.generation_config.eos_token_id)
        self.ends |= _end_tokens(self.tokenizer.eos_token_id) | self.prompts.ends
        self.writers = Writers(Batch(passes_of(self.model)))

    @concurrent(max=16)
    async def predict(  # type: ignore[misc]  # a generator, in Cog's words
        self,
        prompt: str = Input(
            description="What to answer, or the text to go on from. Models of code fill the gap "
            "where it says <FILL_ME>, if they were taught to."
        ),
        system_prompt: str = Input(
            default="", description="How the model should behave, told before the prompt."
        ),
        max_tokens: int = Input(
            default=512, ge=1, le=131072, description="The most tokens to write."
        ),
        min_tokens: int = Input(
            default=0,
            ge=-1,
            le=131072,
            description="The fewest tokens to write before stopping; -1 is 0.",
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
            default=50,
            ge=-1,
            description="Choose among this many likeliest tokens; 0 or -1: all of them.",
        ),
        presence_penalty: float = Input(
            default=0, ge=-2, le=2, description="Above 0: avoid what was already written."
        ),
        frequency_penalty: float = Input(
            default=0, ge=-2, le=2, description="Above 0: avoid it more, the more often it came."
        ),
        repeat_penalty: float = Input(
            default=1,
            ge=0.1,
            le=5,
            description="Above 1: avoid the last 64 tokens, the prompt's among them.",
        ),
        stop_sequences: str = Input(
            default="", description="Stop before any of these texts; separate them by commas."
        ),
        prompt_template: str = Input(
            default="",
            description="The whole text to go on from, with {prompt} and {system_prompt} where "
            "they belong. Empty, or {prompt} alone: the model's own chat format.",
        ),
        enable_thinking: bool = Input(
            default=False,
            description="Let the model think before it answers: better answers, more tokens.",
        ),
        reasoning_effort: str | None = Input(
            default=None,
            choices=["low", "medium", "high"],
            description="How long the model thinks before it answers.",
        ),
        show_reasoning: bool = Input(
            default=False,
            description="Write what the model thinks into the output, between <think> and "
            "</think>. It is in the log in any case.",
        ),
        seed: int | None = Input(
            default=None, description="The same seed gives the same text; unset, a random one."
        ),
        messages: list[dict[str, Any]] | None = Input(
            default=None,
            description="What was said before the prompt: objects with role (user and assistant in "
            "turn) and content.",
        ),
        max_new_tokens: int | None = Input(
            default=None, ge=1, le=131072, deprecated=True, description="max_tokens, as it was."
        ),
        min_new_tokens: int | None = Input(
            default=None, ge=-1, le=131072, deprecated=True, description="min_tokens, as it was."
        ),
        length_penalty: float = Input(
            default=1,
            ge=0,
            le=5,
            deprecated=True,
            description="Without effect, as on Replicate: only a search with beams heeds it.",
        ),
        log_performance_metrics: bool = Input(
            default=False,
            deprecated=True,
            description="Without effect: the figures are among the metrics of each run.",
        ),
        debug: bool = Input(
            default=False,
            deprecated=True,
            description="Without effect: each run says in its log what there is to say.",
        ),
    ) -> AsyncConcatenateIterator[str]:
        """Writes on from the prompt, and yields the text as it comes."""
        max_tokens = max_new_tokens or max_tokens
        min_tokens = max(0, min_tokens if min_new_tokens is None else min_new_tokens)
        if min_tokens > max_tokens:
            raise InvalidInput(
                f"min_tokens is {min_tokens}, over max_tokens, which is {max_tokens}."
            )
        seed = secrets.randbits(32) if seed is None else seed
        print(f"Using seed: {seed}")
        current_scope().record_metric("seed", seed)
        asked = self.prompts.tokens(
            prompt,
            system_prompt,
            prompt_template,
            enable_thinking,
            reasoning_effort,
            messages or (),
        )
        tell_unknown(prompt, self.weights)
        sampling = Sampling(
            temperature, top_p, max(0, top_k), presence_penalty, frequency_penalty, repeat_penalty
        )
        room = min(max_tokens, self.context - len(asked))
        sampler = Sampler(seed, self.device, sampling, asked)
        text = Text(asked, sampler, self.ends, min_tokens, room)
        output = Output(self.tokenizer, asked, stop_sequences, show_reasoning)
        tokens = self._measured(text)
        async with aclosing(tokens):
            async for token in tokens:
                if token not in self.ends and (piece := output.add(token)):
                    yield piece
                if output.stopped:
                    break
        if piece := output.rest():
            yield piece
        if text.written == room and text.last not in self.ends and not output.stopped:
            _tell_cut_off(output.thinking, self.context if room < max_tokens else None)

    async def _measured(self, text: Text) -> AsyncGenerator[int, None]:
        """Its tokens as they are written. Records how many there were and how fast they came,
        however it ends.
        """
        scope = current_scope()
        scope.record_metric("input_token_count", len(text.asked))
        began = time.perf_counter()
        count = 0
        try:
            async with aclosing(self.writers.write(text)) as tokens:
                async for token in tokens:
                    count += 1
                    if count == 1:
                        scope.record_metric("time_to_first_token", round(text.first_at - began, 4))
                    yield token
        finally:
            scope.record_metric("output_token_count", count)
            if (seconds := text.latest_at - text.first_at) > 0:
                rate = (text.written - 1) / seconds
                scope.record_metric("tokens_per_second", round(rate, 2))


def _tell_cut_off(thinking: bool, context: int | None) -> None:
    """Says what a text that has reached its length may lack."""
    if context is not None:
        print(f"Stopped: the model's context of {context} tokens is full.")
    if thinking:
        print("Stopped while the model was still thinking: give it more max_tokens.")


def _tell_unpacked(weights: str) -> None:
    """Says beforehand if weights in MXFP4 will not stay so: there may be no room for more."""
    from transformers import PretrainedConfig
    from transformers.utils import is_kernels_available

    packing = PretrainedConfig.get_config_dict(weights)[0].get("quantization_config") or {}
    if packing.get("quant_method") == "mxfp4" and not (
        device() == "cuda" and is_kernels_available()
    ):
        print(
            "The weights are in MXFP4 and become bfloat16, four times as large: only a GPU with "
            "the packages triton and kernels keeps them as they are."
        )


def _end_tokens(given: int | list[int] | None) -> frozenset[int]:
    if given is None:
        return frozenset()
    return frozenset([given] if isinstance(given, int) else given)
