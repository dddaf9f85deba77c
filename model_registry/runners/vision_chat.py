"""Answers about pictures: models of transformers that see and write (Llama 3.2 Vision, Qwen-VL,
SmolVLM, and others that read an image and text).
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Generator
from contextlib import closing
from typing import Any

from picture_reading import fit, processor_of
from pictures import on_white, opened
from pretrained import on_device, pretrained, trusting
from text_pieces import StopSequences
from writing import Writing

from cog import BasePredictor, ConcatenateIterator, Input, InvalidInput, Path, current_scope


class VisionChat(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its processor. `trust_code`: run the code that
        the folder brings.
        """
        self.model = pretrained("AutoModelForImageTextToText", weights, precision, trust_code)
        self.processor = processor_of(weights, **trusting(trust_code))
        self.tokenizer = self.processor.tokenizer
        text = self.model.config.get_text_config(decoder=True)
        known = getattr(text, "max_position_embeddings", None)
        self.context = min(known or sys.maxsize, self.tokenizer.model_max_length)

    def predict(  # type: ignore[misc]  # a generator, in Cog's words
        self,
        prompt: str = Input(description="What to ask, about the picture if there is one."),
        image: Path | None = Input(
            default=None, description="The picture to look at.", accept="image/*"
        ),
        system_prompt: str = Input(
            default="", description="How the model should behave, told before the prompt."
        ),
        max_tokens: int = Input(
            default=512, ge=1, le=131072, description="The most tokens to write."
        ),
        temperature: float = Input(
            default=0.7,
            ge=0,
            le=5,
            description="0 always takes the likeliest token; more is wilder.",
        ),
        top_p: float = Input(
            default=0.7,
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
        stop_sequences: str = Input(
            default="", description="Stop before any of these texts; separate them by commas."
        ),
        seed: int | None = Input(
            default=None, description="The same seed gives the same text; unset, a random one."
        ),
    ) -> ConcatenateIterator[str]:
        """Answers, and yields the text as it comes."""
        inputs = self._read(prompt, image, system_prompt)
        asked = inputs["input_ids"].shape[1]
        current_scope().record_metric("input_token_count", asked)
        room = self.context - asked
        if room <= 0:
            raise InvalidInput(
                f"Prompt and picture have {asked} tokens; this model holds {self.context} in all, "
                "its answer included. Shorten the prompt."
            )
        seed = secrets.randbits(32) if seed is None else seed
        print(f"Using seed: {seed}")
        current_scope().record_metric("seed", seed)
        writing = Writing(
            self.model,
            self.tokenizer,
            inputs,
            seed % 2**63,
            max_new_tokens=min(max_tokens, room),
            logits_processor=_penalties(asked, presence_penalty, frequency_penalty),
            **_sampling(temperature, top_p, max(0, top_k)),
        )
        with closing(_told(writing, stop_sequences)) as pieces:
            yield from pieces
        if writing.count == room < max_tokens:
            print(f"Stopped: the model's context of {self.context} tokens is full.")

    def _read(self, prompt: str, image: Path | None, system_prompt: str) -> dict[str, Any]:
        """What was asked, as the model takes it."""
        if not prompt.strip():
            raise InvalidInput("The prompt is empty. Write what the model should answer.")
        pictures = [] if image is None else [fit(on_white(opened(image)))]
        text = self._chat(prompt, len(pictures), system_prompt)
        # A chat template writes its own special tokens.
        special = {"add_special_tokens": not self._template()}
        try:
            read = self.processor(
                text=[text], images=pictures or None, return_tensors="pt", **special
            )
        except ValueError as error:
            # Such as a picture two hundred times as wide as high; the sentence is the processor's.
            raise InvalidInput(f"The model cannot read this: {error}") from error
        given: dict[str, Any] = on_device(read, self.model)
        return given

    def _template(self) -> str:
        """How a chat is written for this model; "" if nobody said."""
        return self.processor.chat_template or self.tokenizer.chat_template or ""

    def _chat(self, prompt: str, pictures: int, system_prompt: str) -> str:
        if not self._template():
            marks = str(getattr(self.processor, "image_token", "<image>")) * pictures
            return "\n".join(filter(None, [system_prompt, marks, prompt]))
        if not system_prompt:
            return self._rendered(prompt, pictures)
        try:
            text = self._rendered(prompt, pictures, system_prompt)
        except InvalidInput:
            text = ""  # such as where pictures and a system prompt do not go together
        if system_prompt.strip() in text:
            return text
        print("This chat takes no system prompt: it is put before the prompt.")
        return self._rendered(f"{system_prompt}\n\n{prompt}", pictures)

    def _rendered(self, prompt: str, pictures: int, system_prompt: str = "") -> str:
        from jinja2.exceptions import TemplateError

        seen = [{"type": "image"}] * pictures
        chat = [{"role": "user", "content": [*seen, {"type": "text", "text": prompt}]}]
        if system_prompt:
            told = [{"type": "text", "text": system_prompt}]
            chat.insert(0, {"role": "system", "content": told})
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    chat, chat_template=self._template(), add_generation_prompt=True, tokenize=False
                )
            )
        except TemplateError as error:
            raise InvalidInput(f"The model's chat template refuses this prompt: {error}") from error


def _told(writing: Writing, stop_sequences: str) -> Generator[str, None, None]:
    """The pieces up to a stop sequence; ends the writing, and records how it went."""
    stop = StopSequences(stop_sequences)
    try:
        for text in writing:
            if piece := stop.passed(text):
                yield piece
            if stop.reached:
                return
        if piece := stop.rest():
            yield piece
    finally:
        writing.stop()
        writing.tell()


def _sampling(temperature: float, top_p: float, top_k: int) -> dict[str, Any]:
    if temperature < 1e-3:  # dividing by less would overflow
        return {"do_sample": False}
    # 0 of the probability is the likeliest token alone, which `generate` has no word for.
    share = max(top_p, 1e-6)
    return {"do_sample": True, "temperature": temperature, "top_p": share, "top_k": top_k}


def _penalties(asked: int, presence: float, frequency: float) -> Any:
    """Makes what was written less likely to come again; what was asked does not count."""
    import torch
    from transformers import LogitsProcessorList

    def penalised(tokens: Any, scores: Any) -> Any:
        counts = torch.zeros_like(scores)
        written = tokens[:, asked:]
        counts.scatter_add_(1, written, torch.ones_like(written, dtype=scores.dtype))
        return scores - frequency * counts - presence * (counts > 0)

    return LogitsProcessorList([penalised] if presence or frequency else [])
