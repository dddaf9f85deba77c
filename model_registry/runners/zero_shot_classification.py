"""Which of some kinds, named by the person who asks, a text is of: models of transformers that were
taught whether one sentence follows from another (BART, DeBERTa and others on MNLI).
"""

from __future__ import annotations

from labels import Label, candidates, filled, ranked
from pretrained import beside, pretrained
from text_reading import read, said

from cog import BasePredictor, Input


class ZeroShotClassification(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its tokenizer; one of its labels must begin with
        "entail".
        """
        kind = "AutoModelForSequenceClassification"
        self.model = pretrained(kind, weights, precision, trust_code)
        self.tokenizer = beside("AutoTokenizer", weights, trust_code)
        known = {str(name).lower(): place for place, name in self.model.config.id2label.items()}
        self.follows = next((known[each] for each in known if each.startswith("entail")), None)
        if self.follows is None:
            raise ValueError(
                f"The model must know entailment; its labels are {', '.join(known)} only."
            )
        other = [place for each, place in known.items() if each.startswith("contra")]
        self.contradicts = next(iter(other), 0 if self.follows else 1)

    def predict(
        self,
        text: str = Input(description="The text to sort."),
        labels: list[str] = Input(description="The kinds to choose from, such as politics."),
        template: str = Input(
            default="This example is {}.",
            description="The sentence that would follow from a text of a kind, with {} for it.",
        ),
        multi_label: bool = Input(
            default=False, description="Several may be right: each is weighed for itself."
        ),
    ) -> list[Label]:
        """The kinds, the surest first."""
        import torch

        names = candidates(labels)
        sentences = filled(template, names)
        given = read(self.model, self.tokenizer, [said(text)] * len(names), sentences)
        with torch.no_grad():
            seen = self.model(**given).logits.float()
        if multi_label or len(names) == 1:
            scores = seen[:, [self.contradicts, self.follows]].softmax(-1)[:, 1]
        else:
            scores = seen[:, self.follows].softmax(-1)
        found: list[Label] = ranked(names, scores.tolist())
        return found
