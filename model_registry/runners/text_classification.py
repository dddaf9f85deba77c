"""What kind of text it is: a mood, a topic, a language. Any model of transformers that sorts texts
into kinds (BERT, RoBERTa, DistilBERT, DeBERTa and kin).
"""

from __future__ import annotations

from labels import Label, names_of, ranked, scores_of
from pretrained import beside, pretrained
from text_reading import read, said

from cog import BasePredictor, Input


class TextClassification(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its tokenizer."""
        kind = "AutoModelForSequenceClassification"
        self.model = pretrained(kind, weights, precision, trust_code)
        self.tokenizer = beside("AutoTokenizer", weights, trust_code)
        self.names = names_of(self.model)

    def predict(
        self,
        text: str = Input(description="The text to sort."),
        top_k: int = Input(
            default=10, ge=1, le=1000, description="How many kinds to name, the surest first."
        ),
    ) -> list[Label]:
        """The kinds, the surest first."""
        import torch

        with torch.no_grad():
            seen = self.model(**read(self.model, self.tokenizer, [said(text)])).logits[0].float()
        measures = self.model.config.problem_type == "regression"
        scores = seen if measures else scores_of(self.model, seen)
        found: list[Label] = ranked(self.names, scores.tolist(), top_k)
        return found
