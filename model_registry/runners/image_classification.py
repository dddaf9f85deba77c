"""What a picture shows, of the things a model knows: any model of transformers that sorts pictures
(ViT, ResNet, ConvNeXt, Swin, DINOv2 and kin).
"""

from __future__ import annotations

from labels import Label, names_of, ranked, scores_of
from picture_reading import fit
from pictures import on_white, opened
from pretrained import beside, on_device, pretrained

from cog import BasePredictor, Input, Path


class ImageClassification(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its image processor."""
        self.model = pretrained("AutoModelForImageClassification", weights, precision, trust_code)
        self.processor = beside("AutoImageProcessor", weights, trust_code)
        self.names = names_of(self.model)

    def predict(
        self,
        image: Path = Input(description="The picture to look at.", accept="image/*"),
        top_k: int = Input(
            default=5, ge=1, le=1000, description="How many things to name, the surest first."
        ),
    ) -> list[Label]:
        """What it shows, the surest first."""
        import torch

        inputs = self.processor(images=fit(on_white(opened(image))), return_tensors="pt")
        with torch.no_grad():
            seen = self.model(**on_device(inputs, self.model)).logits[0].float()
        found: list[Label] = ranked(self.names, scores_of(self.model, seen).tolist(), top_k)
        return found
