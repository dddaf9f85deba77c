"""Which things are where in a picture: models of transformers that frame what they know (DETR and
its kin, RT-DETR, YOLOS, Table Transformer).
"""

from __future__ import annotations

from boxes import Output, output
from picture_reading import fit
from pictures import on_white, opened
from pretrained import beside, on_device, pretrained

from cog import BasePredictor, Input, Path


class ObjectDetection(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its image processor."""
        self.model = pretrained("AutoModelForObjectDetection", weights, precision, trust_code)
        self.processor = beside("AutoImageProcessor", weights, trust_code)

    def predict(
        self,
        image: Path = Input(description="The picture to look through.", accept="image/*"),
        threshold: float = Input(
            default=0.5, ge=0, le=1, description="How sure the model must be of a thing."
        ),
    ) -> Output:
        """The things, the surest first."""
        import torch

        picture = on_white(opened(image))
        inputs = self.processor(images=fit(picture), return_tensors="pt")
        with torch.no_grad():
            seen = self.model(**on_device(inputs, self.model))
        (found,) = self.processor.post_process_object_detection(
            seen, threshold=threshold, target_sizes=[(picture.height, picture.width)]
        )
        names = self.model.config.id2label
        labels = [str(names.get(each, each)) for each in found["labels"].tolist()]
        return output(
            picture,
            zip(labels, found["scores"].tolist(), found["boxes"].tolist(), strict=True),
        )
