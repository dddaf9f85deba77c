"""Numbers that stand for what a picture shows: any model of transformers that sees and has no head
(DINOv2, DINOv3, ViT, ConvNeXt and kin).
"""

from __future__ import annotations

from typing import Any, TypedDict

from picture_reading import fit
from pictures import on_white, opened
from pretrained import beside, on_device, pretrained

from cog import BasePredictor, Input, Path


class Embedding(TypedDict):
    embedding: list[float]


class ImageEmbeddings(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its image processor."""
        self.model = pretrained("AutoModel", weights, precision, trust_code)
        self.processor = beside("AutoImageProcessor", weights, trust_code)

    def predict(
        self,
        image: Path = Input(description="The picture to embed.", accept="image/*"),
        pooling: str = Input(
            default="first",
            choices=["first", "mean"],
            description="Of a model that cuts pictures into patches: take what it says of the "
            "whole, or the mean over the patches. Others have the mean only.",
        ),
        normalize: bool = Input(default=False, description="Bring it to the length 1."),
    ) -> Embedding:
        """One embedding for the whole picture."""
        import torch

        inputs = self.processor(images=fit(on_white(opened(image))), return_tensors="pt")
        with torch.no_grad():
            seen = self.model(**on_device(inputs, self.model)).last_hidden_state[0].float()
        made = self._pooled(seen, pooling)
        if normalize:
            made = torch.nn.functional.normalize(made, dim=0)
        return Embedding(embedding=made.tolist())

    def _pooled(self, seen: Any, pooling: str) -> Any:
        """Of channels × height × width, or of patches × channels with the whole at their head."""
        if seen.ndim == 3:
            return seen.mean((1, 2))
        if pooling == "first":
            # Not the pooler that some classes put behind it: few weights have one that was taught.
            return seen[0]
        return seen[1 + getattr(self.model.config, "num_register_tokens", 0) :].mean(0)
