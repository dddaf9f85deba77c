"""Which texts answer a question best: models of transformers that read the question beside each of
them and give one number (cross-encoders, rerankers).
"""

from __future__ import annotations

from pretrained import beside, pretrained
from text_order import Found, best, checked
from text_reading import read

from cog import BasePredictor, Input, current_scope

AT_ONCE = 16
"""Texts that go through the model together."""


class TextRanking(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model of one label and its tokenizer."""
        kind = "AutoModelForSequenceClassification"
        self.model = pretrained(kind, weights, precision, trust_code)
        self.tokenizer = beside("AutoTokenizer", weights, trust_code)

    def predict(
        self,
        query: str = Input(description="What is asked, or looked for."),
        documents: list[str] = Input(description="The texts to bring in order."),
        top_k: int = Input(default=10, ge=1, description="How many texts to give back."),
    ) -> list[Found]:
        """The texts, those that fit best first."""
        import torch

        checked(query, documents)
        scores: list[float] = []
        for start in range(0, len(documents), AT_ONCE):
            batch = documents[start : start + AT_ONCE]
            given = read(self.model, self.tokenizer, [query] * len(batch), batch)
            with torch.no_grad():
                scores += self.model(**given).logits[:, 0].float().sigmoid().tolist()
            current_scope().progress(len(scores), len(documents), "text")
        found: list[Found] = best(documents, scores, top_k)
        return found
