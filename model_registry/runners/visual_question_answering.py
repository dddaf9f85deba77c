"""Short answers about a picture: models of transformers that choose one of the answers they know
(ViLT), or write it (BLIP).
"""

from __future__ import annotations

from typing import Any, TypedDict

from picture_reading import fit
from pictures import on_white, opened
from pretrained import beside, on_device, pretrained

from cog import BasePredictor, Input, InvalidInput, Path, current_scope


class Answer(TypedDict):
    """`score` is how sure the model is, None if it does not say."""

    answer: str
    score: float | None


class VisualQuestionAnswering(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its processor."""
        kind = "AutoModelForVisualQuestionAnswering"
        self.model = pretrained(kind, weights, precision, trust_code)
        self.processor = beside("AutoProcessor", weights, trust_code)
        self.writes = self.model.can_generate()
        text = getattr(self.model.config, "text_config", self.model.config)
        self.reads = int(getattr(text, "max_position_embeddings", None) or 512)

    def predict(
        self,
        image: Path = Input(description="The picture to look at.", accept="image/*"),
        question: str = Input(description="What to ask about it."),
        top_k: int = Input(
            default=5,
            ge=1,
            le=100,
            description="How many answers to give. A model that writes its answer gives one.",
        ),
    ) -> list[Answer]:
        """The answers, the surest first."""
        import torch

        if not question.strip():
            raise InvalidInput("The question is empty. Write what to ask about the picture.")
        picture = fit(on_white(opened(image)))
        inputs = self.processor(images=picture, text=question.strip(), return_tensors="pt")
        count = inputs["input_ids"].shape[1]
        if count > self.reads:
            raise InvalidInput(
                f"The question has {count} tokens; this model reads at most {self.reads}. "
                "Shorten it."
            )
        current_scope().record_metric("input_token_count", count)
        with torch.no_grad():
            return self._answers(on_device(inputs, self.model), top_k)

    def _answers(self, inputs: dict[str, Any], top_k: int) -> list[Answer]:
        if self.writes:
            if top_k > 1:
                print("This model writes one answer.")
            (tokens,) = self.model.generate(**inputs, max_new_tokens=32)
            text = self.processor.tokenizer.decode(tokens, skip_special_tokens=True)
            return [{"answer": text.strip(), "score": None}]
        likely = self.model(**inputs).logits[0].float().sigmoid()
        scores, places = likely.topk(min(top_k, len(likely)))
        names = self.model.config.id2label
        return [
            {"answer": str(names[place]), "score": round(score, 4)}
            for place, score in zip(places.tolist(), scores.tolist(), strict=True)
        ]
