"""Text from pictures: any folder with a captioning model of transformers, such as BLIP, BLIP-2 and
GIT, or an encoder of pictures before a decoder of text.
"""

from __future__ import annotations

import inspect
import math
import secrets
from collections.abc import Generator
from contextlib import closing
from typing import Any

from picture_reading import fit
from pictures import on_white, opened
from pretrained import on_device, pretrained, trusting
from writing import Writing

from cog import BasePredictor, ConcatenateIterator, Input, InvalidInput, Path, current_scope

PROMPTS = ("input_ids", "decoder_input_ids")
CUT_THEIR_PROMPTS = {"blip"}
"""Kinds of model whose `generate` itself takes off the token that ends a prompt."""


class ImageToText(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its processor. `trust_code`: run the code that
        the folder brings.

        Where its configuration has a number `doubtful_below`, captions whose words have a smaller
        mean probability are told to be guesses.
        """
        self.model = pretrained("AutoModelForImageTextToText", weights, precision, trust_code)
        self.processor, self.tokenizer = _processors(weights, **trusting(trust_code))
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
        inputs = self._read(fit(on_white(opened(image))), prompt)
        asked = max([1, *(inputs[name].shape[1] for name in PROMPTS if name in inputs)])
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
            settings |= {"temperature": temperature, "top_k": 0, "seed": seed % 2**63}
        with closing(self._written(inputs, settings)) as pieces:
            yield from pieces

    def _read(self, picture: Any, prompt: str) -> dict[str, Any]:
        """The picture and the prompt as the model takes them."""
        goes_on = self.model.config.model_type == "vision-encoder-decoder"
        if prompt.strip() and "input_ids" not in self.accepted and not goes_on:
            raise InvalidInput("This model takes no prompt; leave it empty.")
        words = {"text": prompt.strip()} if prompt.strip() and not goes_on else {}
        inputs = dict(self.processor(images=picture, **words, return_tensors="pt"))
        if words and not self.model.config.is_encoder_decoder:
            inputs = self._unended(inputs)
        if prompt.strip() and goes_on:
            inputs["decoder_input_ids"] = self._begun(prompt.strip())
        known = {name: each for name, each in inputs.items() if name in self.accepted}
        given: dict[str, Any] = on_device(known, self.model)
        return given

    def _begun(self, prompt: str) -> Any:
        """The prompt as the beginning of what is written."""
        import torch

        written = self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        settings = self.model.generation_config
        start = settings.decoder_start_token_id
        return torch.tensor([[settings.bos_token_id if start is None else start, *written]])

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
        one = settings["num_beams"] == 1
        writing = Writing(self.model, self.tokenizer, inputs, output_logits=one, **settings)
        try:
            yield from writing
            self._tell(writing.result())
        finally:
            writing.stop()
            writing.tell()

    def _tell(self, output: Any) -> None:
        """How sure the model was of what it wrote."""
        confidence = _confidence(output)
        current_scope().record_metric("confidence", round(confidence, 4))
        if confidence < self.doubtful_below:
            print(
                f"Not sure: its words have a mean probability of {confidence:.0%}, so this is a "
                "guess. The picture may well show what this model was never taught."
            )


def _confidence(output: Any) -> float:
    """The geometric mean of the probabilities of the tokens that were written."""
    if output.get("logits") is None:
        return math.exp(float(output.sequences_scores[0]))
    written = output.sequences[0, -len(output.logits) :]
    total = sum(
        float(logits[0].float().log_softmax(-1)[token])
        for logits, token in zip(output.logits, written, strict=True)
    )
    return math.exp(total / len(written))


def _processors(weights: str, **trust: Any) -> tuple[Any, Any]:
    """What turns pictures (and prompts) into a model's inputs, and its tokenizer. Older folders
    have the two apart.
    """
    from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer, ProcessorMixin

    try:
        processor = AutoProcessor.from_pretrained(weights, **trust)
    except (OSError, ValueError):
        processor = None
    if isinstance(processor, ProcessorMixin):
        return processor, processor.tokenizer
    pictures = AutoImageProcessor.from_pretrained(weights, **trust)
    return pictures, AutoTokenizer.from_pretrained(weights, **trust)
