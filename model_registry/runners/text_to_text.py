"""Text from text, read as a whole and then written: translations and summaries, by any model of
transformers with an encoder and a decoder (Marian, NLLB, M2M100, mBART, BART, Pegasus, T5 and kin).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Generator
from contextlib import closing
from typing import Any

from pretrained import beside, on_device, pretrained
from sentences import sentences
from writing import Writing

from cog import BasePredictor, ConcatenateIterator, Input, InvalidInput, current_scope

USUAL_ROOM = 4096
"""Tokens that are read of models that say no number themselves."""

_LANGUAGE = re.compile(r"(?P<nllb>[a-z]{3}_[A-Z][a-z]{3})|(?P<mbart>[a-z]{2}_[A-Z]{2})")


class TextToText(BasePredictor):
    def setup(
        self,
        weights: str,
        precision: str = "",
        by_sentence: bool = False,
        trust_code: bool = False,
    ) -> None:
        """`weights` is a folder with a model and its tokenizer. `by_sentence`: a text goes through
        it sentence by sentence, as translators were taught, and may have any length.
        """
        self.model = pretrained("AutoModelForSeq2SeqLM", weights, precision, trust_code)
        self.tokenizer = beside("AutoTokenizer", weights, trust_code)
        self.by_sentence = by_sentence
        self.languages = _languages(self.tokenizer)
        config = self.model.config
        known = [
            getattr(config, name, None)
            for name in ("max_encoder_position_embeddings", "max_position_embeddings")
        ]
        self.writes = getattr(config, "max_decoder_position_embeddings", None) or known[1]
        reads = next(filter(None, known), None) or USUAL_ROOM
        self.reads = min(reads, self.tokenizer.model_max_length)

    def predict(  # type: ignore[misc]  # a generator, in Cog's words
        self,
        text: str = Input(description="The text to work on."),
        source_language: str = Input(
            default="", description="The text's language, by the model's own code for it."
        ),
        target_language: str = Input(
            default="", description="The language to write, by the model's own code for it."
        ),
        prefix: str = Input(
            default="",
            description="What the model was taught to read before the text, such as 'summarize: '.",
        ),
        max_tokens: int = Input(
            default=512, ge=1, le=131072, description="The most tokens to write, of each part."
        ),
        num_beams: int | None = Input(
            default=None,
            ge=1,
            le=16,
            description="How many wordings to weigh against each other; 1 streams word by word. "
            "Unset, as many as the model itself says.",
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
        """Yields the text as it comes."""
        if not text.strip():
            raise InvalidInput("The text is empty. Write what the model should work on.")
        forced = self._speak(source_language, target_language)
        settings: dict[str, Any] = {
            "max_new_tokens": min(max_tokens, (self.writes or max_tokens + 1) - 1),
            "do_sample": temperature >= 1e-3,  # dividing by less would overflow
            **forced,
        }
        beams = num_beams or self.model.generation_config.num_beams
        settings["num_beams"] = beams or 1
        if settings["do_sample"]:
            seed = secrets.randbits(32) if seed is None else seed
            print(f"Using seed: {seed}")
            current_scope().record_metric("seed", seed)
            settings |= {"temperature": temperature, "top_k": 0, "seed": seed % 2**63}
        mark = self._mark(target_language)
        parts = self._parts(mark + prefix, text) if self.by_sentence else [text]
        for number, part in enumerate(parts, 1):
            inputs = self._read(mark + prefix + part.strip()) if part.strip() else None
            if inputs is not None:
                with closing(_written(self.model, self.tokenizer, inputs, settings)) as pieces:
                    yield from pieces
            # The space between two sentences, an empty line between paragraphs.
            if number < len(parts) and (space := part[len(part.rstrip()) :]):
                yield space
            current_scope().progress(number, len(parts), "part")

    def _parts(self, before: str, text: str) -> list[str]:
        """The sentences of a text; one that is too much to read is cut between two words."""
        found, left = [], sentences(text)[::-1]
        while left:
            part = left.pop()
            middle = part.rfind(" ", 1, len(part) // 2 + 1) + 1 or len(part) // 2
            if middle and len(self.tokenizer(before + part)["input_ids"]) > self.reads:
                left += [part[middle:], part[:middle]]
            else:
                found.append(part)
        return found

    def _read(self, text: str) -> dict[str, Any]:
        """A text as the model takes it. Raises `InvalidInput` if it is more than it reads."""
        inputs = self.tokenizer(text, return_tensors="pt", return_token_type_ids=False)
        count = inputs["input_ids"].shape[1]
        if count > self.reads:
            raise InvalidInput(
                f"The text has {count} tokens; this model reads at most {self.reads}. Shorten it, "
                "or give it in parts."
            )
        current_scope().record_metric("input_token_count", count, "incr")
        given: dict[str, Any] = on_device(inputs, self.model)
        return given

    def _speak(self, source: str, target: str) -> dict[str, Any]:
        """Sets the languages, and gives what `generate` has to know of them."""
        marked = hasattr(self.tokenizer, "src_lang")
        if not self.languages:
            if source or target:
                raise InvalidInput(
                    "This model does one thing only: leave source_language and target_language "
                    "empty."
                )
            return {}
        if not target:
            raise InvalidInput(
                f"target_language is empty; this model writes {self._known()}. Choose one."
            )
        for name, language in (("source_language", source), ("target_language", target)):
            if language and language not in self.languages:
                raise InvalidInput(f"{name} is {language!r}; this model knows {self._known()}.")
        if not marked:
            if source:
                raise InvalidInput("This model hears the language itself: leave source_language.")
            return {}
        if source:
            self.tokenizer.src_lang = source
        return {"forced_bos_token_id": self.languages[target]}

    def _mark(self, target: str) -> str:
        """Where a model has no set place for the language to write, it comes before the text."""
        marked = self.languages and not hasattr(self.tokenizer, "src_lang")
        return f">>{target}<< " if marked else ""

    def _known(self) -> str:
        return ", ".join(sorted(self.languages))


def _languages(tokenizer: Any) -> dict[str, int]:
    """The languages between which a person chooses, and their tokens; none where there is one
    pair.
    """
    if hasattr(tokenizer, "lang_code_to_id"):
        return dict(tokenizer.lang_code_to_id)
    if hasattr(tokenizer, "src_lang"):
        added = tokenizer.get_added_vocab()
        return {token: number for token, number in added.items() if _LANGUAGE.fullmatch(token)}
    marks = getattr(tokenizer, "supported_language_codes", [])
    return {mark[2:-2]: tokenizer.convert_tokens_to_ids(mark) for mark in marks}


def _written(
    model: Any, tokenizer: Any, inputs: dict[str, Any], settings: dict[str, Any]
) -> Generator[str, None, None]:
    writing = Writing(model, tokenizer, inputs, **settings)
    try:
        yield from writing
    finally:
        writing.stop()
        current_scope().record_metric("output_token_count", writing.count, "incr")
