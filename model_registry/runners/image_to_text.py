"""Text from pictures: any folder with a captioning model of transformers, such as BLIP, BLIP-2 and
GIT, or an encoder of pictures before a decoder of text.
"""

from __future__ import annotations

import inspect
import math
import secrets
import threading
from collections.abc import Generator
from contextlib import closing
from typing import Any

from pictures import on_white, opened

from cog import BasePredictor, ConcatenateIterator, Input, InvalidInput, Path, current_scope

SMALL = 50_000_000
"""Parameters below which more threads gain nothing, and lose much on a busy processor."""

CUT_THEIR_PROMPTS = {"blip"}
"""Kinds of model whose `generate` itself takes off the token that ends a prompt."""


class ImageToText(BasePredictor):
    def setup(self, weights: str) -> None:
        """`weights` is a folder (or a repository's id) with a model and its processor.

        Where its configuration has a number `doubtful_below`, captions whose words have a smaller
        mean probability are told to be guesses.
        """
        import torch
        from transformers import AutoModelForImageTextToText
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        cuda = torch.cuda.is_available()
        halves = cuda and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = torch.float32 if not cuda else torch.bfloat16 if halves else torch.float16
        self.model = AutoModelForImageTextToText.from_pretrained(weights, dtype=precision).eval()
        self.model.to("cuda" if cuda else "cpu")
        if not cuda and self.model.num_parameters() < SMALL:
            torch.set_num_threads(1)
        self.processor, self.tokenizer = _processors(weights)
        self.accepted = frozenset(inspect.signature(self.model.forward).parameters)
        text = self.model.config.get_text_config(decoder=True)
        self.room = int(getattr(text, "max_position_embeddings", None) or 512)
        self.doubtful_below = float(getattr(self.model.config, "doubtful_below", 0))

    def predict(  # type: ignore[misc]  # a generator, in Cog's words
        self,
        image: Path = Input(description="The picture to describe."),
        prompt: str = Input(
            default="",
            description="What the caption begins with, or a question, for models that take one. "
            "The output is what follows.",
        ),
        max_tokens: int = Input(default=50, ge=1, le=1024, description="The most tokens to write."),
        num_beams: int = Input(
            default=1,
            ge=1,
            le=16,
            description="How many captions to weigh against each other. With more than one, the "
            "text comes all at once.",
        ),
        temperature: float = Input(
            default=0,
            ge=0,
            le=5,
            description="0 always takes the likeliest token; more is wilder.",
        ),
        seed: int | None = Input(
            default=None,
            description="With a temperature: the same seed gives the same text; unset, a random "
            "one.",
        ),
    ) -> ConcatenateIterator[str]:
        """Yields the caption as it comes."""
        inputs = self._read(on_white(opened(image)), prompt)
        asked = inputs["input_ids"].shape[1] if "input_ids" in inputs else 1
        if asked >= self.room:
            raise InvalidInput(
                f"The prompt has {asked} tokens; this model holds {self.room} in all, the caption "
                "included. Shorten the prompt."
            )
        settings: dict[str, Any] = {
            "max_new_tokens": min(max_tokens, self.room - asked),
            "num_beams": num_beams,
            "do_sample": temperature >= 1e-3,  # dividing by less would overflow
        }
        if settings["do_sample"]:
            seed = secrets.randbits(32) if seed is None else seed
            print(f"Using seed: {seed}")
            current_scope().record_metric("seed", seed)
            settings |= {"temperature": temperature, "top_k": 0, "seed": seed}
        with closing(self._written(inputs, settings)) as pieces:
            yield from pieces

    def _read(self, picture: Any, prompt: str) -> dict[str, Any]:
        """The picture and the prompt as the model takes them."""
        import torch

        if prompt.strip() and "input_ids" not in self.accepted:
            raise InvalidInput("This model takes no prompt; leave it empty.")
        words = {"text": prompt.strip()} if prompt.strip() else {}
        inputs = dict(self.processor(images=picture, **words, return_tensors="pt"))
        if words:
            inputs = self._unended(inputs)
        return {
            name: each.to(self.model.device, self.model.dtype if each.is_floating_point() else None)
            for name, each in inputs.items()
            if isinstance(each, torch.Tensor) and name in self.accepted
        }

    def _unended(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """A prompt without the token that says the text is over: the caption goes on from it."""
        ends = {self.tokenizer.eos_token_id, self.tokenizer.sep_token_id} - {None}
        ended = int(inputs["input_ids"][0, -1]) in ends
        if ended and self.model.config.model_type not in CUT_THEIR_PROMPTS:
            for name in {"input_ids", "attention_mask", "token_type_ids"} & set(inputs):
                inputs[name] = inputs[name][:, :-1]
        return inputs

    def _written(
        self, inputs: dict[str, Any], settings: dict[str, Any]
    ) -> Generator[str, None, None]:
        """The caption's pieces. Writing goes on in a thread; it ends when this generator does."""
        from transformers import TextIteratorStreamer

        streamer = TextIteratorStreamer(self.tokenizer, skip_prompt=True, skip_special_tokens=True)
        writing = _Writing(self.model, inputs, settings, streamer)
        try:
            if settings["num_beams"] == 1:
                yield from filter(None, streamer)
            output = writing.result()
            if settings["num_beams"] > 1:
                yield self.tokenizer.decode(output.sequences[0], skip_special_tokens=True).strip()
            self._tell(output)
        finally:
            writing.stop()

    def _tell(self, output: Any) -> None:
        """How many tokens were written, and how sure the model was of them."""
        count, confidence = _confidence(output)
        current_scope().record_metric("output_token_count", count)
        current_scope().record_metric("confidence", round(confidence, 4))
        if confidence < self.doubtful_below:
            print(
                f"Not sure: its words have a mean probability of {confidence:.0%}, so this is a "
                "guess. The picture may well show what this model was never taught."
            )


class _Writing:
    """`generate` in a thread, so that its text can be read while it comes."""

    def __init__(
        self, model: Any, inputs: dict[str, Any], settings: dict[str, Any], streamer: Any
    ) -> None:
        self._stopped = threading.Event()
        self._streamer = streamer
        self._output: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(model, inputs, settings))
        self._thread.start()

    def _run(self, model: Any, inputs: dict[str, Any], settings: dict[str, Any]) -> None:
        import torch
        from transformers import StoppingCriteriaList

        def is_over(tokens: Any, scores: Any, **rest: Any) -> Any:
            return torch.full((len(tokens),), self._stopped.is_set(), device=tokens.device)

        settings = dict(settings)
        torch.manual_seed(settings.pop("seed", 0))
        one = settings["num_beams"] == 1
        try:
            self._output = model.generate(
                **inputs,
                **settings,
                streamer=self._streamer if one else None,
                stopping_criteria=StoppingCriteriaList([is_over]),
                return_dict_in_generate=True,
                output_logits=one,
                output_scores=not one,
            )
        except BaseException as error:  # raised again by `result`, where it can be seen
            self._error = error
        finally:
            self._streamer.end()

    def result(self) -> Any:
        self._thread.join()
        if self._error:
            raise self._error
        return self._output

    def stop(self) -> None:
        """Ends the writing at its next token, and waits for that."""
        self._stopped.set()
        self._thread.join()


def _confidence(output: Any) -> tuple[int, float]:
    """How many tokens were written, and the geometric mean of their probabilities."""
    if output.get("logits") is None:
        return int((output.beam_indices[0] >= 0).sum()), math.exp(float(output.sequences_scores[0]))
    written = output.sequences[0, -len(output.logits) :]
    total = sum(
        float(logits[0].float().log_softmax(-1)[token])
        for logits, token in zip(output.logits, written, strict=True)
    )
    return len(written), math.exp(total / len(written))


def _processors(weights: str) -> tuple[Any, Any]:
    """What turns pictures (and prompts) into a model's inputs, and its tokenizer. Older folders
    have the two apart.
    """
    from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer, ProcessorMixin

    try:
        processor = AutoProcessor.from_pretrained(weights)
    except (OSError, ValueError):
        processor = None
    if isinstance(processor, ProcessorMixin):
        return processor, processor.tokenizer
    return AutoImageProcessor.from_pretrained(weights), AutoTokenizer.from_pretrained(weights)
