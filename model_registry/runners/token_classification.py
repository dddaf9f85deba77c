"""Names in a text, of people, places and whatever else a model knows; or the kind of each word: any
model of transformers that sorts tokens.
"""

from __future__ import annotations

from typing import TypedDict

from pretrained import beside, pretrained
from text_reading import room, said

from cog import BasePredictor, Input, current_scope


class Entity(TypedDict):
    """`word` is the text from the character `start` to before `end`."""

    label: str
    word: str
    score: float
    start: int
    end: int


class TokenClassification(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its tokenizer, which must be a fast one: others
        do not know where a token lies in the text.
        """
        from transformers.pipelines import TokenClassificationPipeline

        self.model = pretrained("AutoModelForTokenClassification", weights, precision, trust_code)
        tokenizer = beside("AutoTokenizer", weights, trust_code)
        # Where pieces of words are told from words, the first decides for the whole; elsewhere, as
        # in scripts without spaces, a "word" might be a whole sentence.
        words = getattr(tokenizer.backend_tokenizer.model, "continuing_subword_prefix", None)
        # Longer texts are read in windows that overlap.
        tokenizer.model_max_length = room(self.model, tokenizer)
        self.pipeline = TokenClassificationPipeline(
            model=self.model,
            tokenizer=tokenizer,
            aggregation_strategy="first" if words else "simple",
            stride=tokenizer.model_max_length // 4,
        )

    def predict(
        self,
        text: str = Input(description="The text to look through. It may have any length."),
        threshold: float = Input(
            default=0, ge=0, le=1, description="How sure the model must be of what it finds."
        ),
    ) -> list[Entity]:
        """What is found, in the text's order."""
        found = [
            Entity(
                label=str(each["entity_group"]),
                word=text[each["start"] : each["end"]],
                score=round(float(each["score"]), 4),
                start=int(each["start"]),
                end=int(each["end"]),
            )
            for each in self.pipeline(said(text))
            if each["score"] >= threshold
        ]
        current_scope().record_metric("found", len(found))
        if not found:
            print("Found nothing. The model knows: " + ", ".join(self._known()) + ".")
        return sorted(found, key=lambda each: each["start"])

    def _known(self) -> list[str]:
        names = {str(each).removeprefix("B-").removeprefix("I-") for each in self._labels()}
        return sorted(names - {"O"})

    def _labels(self) -> list[object]:
        return list(self.model.config.id2label.values())
