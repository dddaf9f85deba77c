"""How a model of transformers reads pictures and text: its processor, without what only videos
need, and pictures of any shape made fit for it. No runner: those that see import it.
"""

from __future__ import annotations

from typing import Any

SMALLEST = 8
"""Pixels a side. Of less, processors cannot tell the rows of a picture from its colours."""


def fit(picture: Any, smallest: int = SMALLEST, longest: int = 0) -> Any:
    """The picture, stretched (its pixels as they are) if a side is too short to be read: below
    `smallest` pixels, or below the `longest`-th part of the other side where that is given.
    """
    from PIL import Image

    least = max(smallest, max(picture.size) // longest if longest else 0)
    if min(picture.size) >= least:
        return picture
    print(f"A side of {min(picture.size)} pixels is too short: it is stretched to {least}.")
    size = max(least, picture.width), max(least, picture.height)
    return picture.resize(size, Image.Resampling.NEAREST)


def processor_of(folder: str, **settings: Any) -> Any:
    """The processor of the model in a folder, for pictures and text.

    Readers of videos need torchvision, which does not go together with every build of torch: a
    processor that has one is made without it.
    """
    from transformers import AutoProcessor
    from transformers.models.auto.processing_auto import processor_class_from_name

    name = _processor_name(folder)
    kind = processor_class_from_name(name) if name else None
    if kind is None or "video_processor" not in kind.get_attributes():
        return AutoProcessor.from_pretrained(folder, **settings)
    return _without_videos(kind).from_pretrained(folder, **settings)


def _processor_name(folder: str) -> str | None:
    """The class that a repository's files name, or that is usual for its kind of model."""
    import json
    from pathlib import Path

    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    for file in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        path = Path(folder, file)
        said = json.loads(path.read_text()) if path.is_file() else {}
        if said.get("processor_class"):
            return str(said["processor_class"])
    path = Path(folder, "config.json")
    kind = json.loads(path.read_text()).get("model_type") if path.is_file() else None
    return PROCESSOR_MAPPING_NAMES.get(kind)  # type: ignore[no-any-return]


def _without_videos(kind: Any) -> Any:
    class PicturesOnly(kind):  # type: ignore[misc]
        @classmethod
        def get_attributes(cls) -> list[str]:
            return [each for each in super().get_attributes() if each != "video_processor"]

        @classmethod
        def from_args_and_dict(cls, args: Any, processor_dict: Any, **rest: Any) -> Any:
            parts = dict(zip(cls.get_attributes(), args, strict=True))
            return super().from_args_and_dict(
                [], processor_dict, **parts, video_processor=None, **rest
            )

    PicturesOnly.__name__ = kind.__name__
    return PicturesOnly
