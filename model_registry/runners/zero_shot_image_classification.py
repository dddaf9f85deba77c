"""Which of some things, named by the person who asks, a picture shows: models of transformers that
hold pictures and words against each other (CLIP, SigLIP and kin).
"""

from __future__ import annotations

from labels import Label, candidates, filled, ranked
from picture_reading import fit
from pictures import on_white, opened
from pretrained import beside, on_device, pretrained

from cog import BasePredictor, Input, InvalidInput, Path

EACH_FOR_ITSELF = {"siglip", "siglip2"}
"""Kinds of model that were taught whether words fit, and not which of them fit best; and with words
filled up to their whole length.
"""


class ZeroShotImageClassification(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its processor."""
        kind = "AutoModelForZeroShotImageClassification"
        self.model = pretrained(kind, weights, precision, trust_code)
        self.processor = beside("AutoProcessor", weights, trust_code)
        self.apart = self.model.config.model_type in EACH_FOR_ITSELF
        words = self.model.config.get_text_config()
        self.reads = int(getattr(words, "max_position_embeddings", None) or 64)

    def predict(
        self,
        image: Path = Input(description="The picture to look at.", accept="image/*"),
        labels: list[str] = Input(description="What it may show, such as a cat."),
        template: str = Input(
            default="This is a photo of {}.",
            description="The words that are held against the picture, with {} for a label.",
        ),
    ) -> list[Label]:
        """What it shows, the surest first."""
        import torch

        names = candidates(labels)
        sentences = filled(template, names)
        tokenizer = self.processor.tokenizer
        for name, tokens in zip(names, tokenizer(sentences)["input_ids"], strict=True):
            if len(tokens) > self.reads:
                raise InvalidInput(
                    f"The label {name[:40]!r} has {len(tokens)} tokens with the template; this "
                    f"model reads at most {self.reads}. Shorten it."
                )
        whole = {
            "padding": "max_length",
            "max_length": self.reads,
            "return_attention_mask": False,  # they were taught to see the padding, too
        }
        padding = whole if self.apart else {"padding": True}
        inputs = {
            **tokenizer(sentences, truncation=True, return_tensors="pt", **padding),
            **self.processor.image_processor(
                images=fit(on_white(opened(image))), return_tensors="pt"
            ),
        }
        with torch.no_grad():
            seen = self.model(**on_device(inputs, self.model)).logits_per_image[0].float()
        scores = seen.sigmoid() if self.apart else seen.softmax(-1)
        found: list[Label] = ranked(names, scores.tolist())
        return found
