"""Where in a picture some things are that the person who asks has named: OWL-ViT, OWLv2 and
Grounding DINO in transformers.
"""

from __future__ import annotations

from typing import Any

from boxes import Output, output
from labels import candidates
from picture_reading import fit
from pictures import on_white, opened
from pretrained import beside, on_device, pretrained

from cog import BasePredictor, Input, InvalidInput, Path


class ZeroShotObjectDetection(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its processor."""
        kind = "AutoModelForZeroShotObjectDetection"
        self.model = pretrained(kind, weights, precision, trust_code)
        self.processor = beside("AutoProcessor", weights, trust_code)
        self.grounds = "grounding" in self.model.config.model_type
        words = self.model.config.get_text_config()
        self.reads = int(getattr(words, "max_position_embeddings", None) or 256)

    def predict(
        self,
        image: Path = Input(description="The picture to look through.", accept="image/*"),
        labels: list[str] = Input(description="What to look for, such as a cat."),
        threshold: float = Input(
            default=0.25, ge=0, le=1, description="How sure the model must be of a thing."
        ),
    ) -> Output:
        """The things, the surest first."""
        import torch

        names = candidates(labels)
        if self.grounds:  # a full stop would part a name in two
            names = candidates([each.replace(".", " ") for each in names])
        picture = on_white(opened(image))
        inputs = self.processor(images=fit(picture), text=[names], return_tensors="pt")
        if (count := inputs["input_ids"].shape[1]) > self.reads:
            raise InvalidInput(
                f"The labels have {count} tokens; this model reads at most {self.reads}. Give "
                "fewer, or shorter ones."
            )
        with torch.no_grad():
            seen = self.model(**on_device(inputs, self.model))
        found = self._found(seen, inputs, threshold, names, (picture.height, picture.width))
        labelled = [_named(str(each), names) for each in found["text_labels"]]
        return output(
            picture,
            zip(labelled, found["scores"].tolist(), found["boxes"].tolist(), strict=True),
        )

    def _found(
        self, seen: Any, inputs: Any, threshold: float, names: list[str], size: tuple[int, int]
    ) -> Any:
        given: dict[str, Any] = {"threshold": threshold, "target_sizes": [size]}
        if self.grounds:
            given |= {"input_ids": inputs["input_ids"], "text_threshold": threshold}
        else:
            given["text_labels"] = [names]
        (found,) = self.processor.post_process_grounded_object_detection(seen, **given)
        return found


def _named(words: str, names: list[str]) -> str:
    """The name that is meant: Grounding DINO gives the words that it saw, which may be a part of
    one, or of several.
    """
    meant = (each for each in names if each.lower() in words or words in each.lower())
    return next(meant, words)
