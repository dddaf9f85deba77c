"""The word that is missing in a sentence: any model of transformers that was taught to guess hidden
words (BERT, RoBERTa, ModernBERT and kin; of proteins, too).
"""

from __future__ import annotations

from typing import TypedDict

from pretrained import beside, pretrained
from text_reading import read, room, said

from cog import BasePredictor, Input, InvalidInput

USUAL = ("[MASK]", "<mask>")


class Guess(TypedDict):
    """`text` is the whole with the `word` in its place."""

    word: str
    score: float
    text: str


class FillMask(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its tokenizer."""
        self.model = pretrained("AutoModelForMaskedLM", weights, precision, trust_code)
        self.tokenizer = beside("AutoTokenizer", weights, trust_code)

    def predict(
        self,
        text: str = Input(description="A sentence with [MASK], or <mask>, for the missing word."),
        top_k: int = Input(default=5, ge=1, le=1000, description="How many guesses to give."),
    ) -> list[Guess]:
        """The guesses, the surest first."""
        import torch

        mask = self.tokenizer.mask_token
        before, behind = self._around(said(text), mask)
        given = read(self.model, self.tokenizer, [before + mask + behind])
        places = (given["input_ids"][0] == self.tokenizer.mask_token_id).nonzero()
        if not len(places):
            raise InvalidInput(
                f"The mask lies behind the first {room(self.model, self.tokenizer)} tokens, which "
                "are all that this model reads. Shorten what is before it."
            )
        with torch.no_grad():
            likely = self.model(**given).logits[0, places[0, 0]].float().softmax(-1)
        scores, tokens = likely.topk(min(top_k, len(likely)))
        return [
            Guess(word=word, score=round(score, 4), text=before + word + behind)
            for score, token in zip(scores.tolist(), tokens.tolist(), strict=True)
            for word in [self.tokenizer.decode([token]).strip()]
        ]

    def _around(self, text: str, mask: str) -> tuple[str, str]:
        """What is before the mask, and what behind it."""
        for usual in USUAL:
            text = text.replace(usual, mask)
        if text.count(mask) != 1:
            raise InvalidInput(
                f"The text has {text.count(mask)} masks; write exactly one {mask}, where the word "
                "is missing."
            )
        before, _, behind = text.partition(mask)
        return before, behind
