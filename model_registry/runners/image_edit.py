"""Pictures changed as words say: any diffusers pipeline that takes pictures and an instruction. One
class for one picture, one for several.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

import aspect_ratios
import pictures
from drawing import Drawing, tell_not_faster, tell_unchecked
from painter import Painter, fitted
from picture_reading import processor_of

from cog import BasePredictor, Input, InvalidInput, Path

LIKE_INPUT = "match_input_image"
FORMS = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "4:5", "5:4", "21:9", "9:21")
MOST_PICTURES = 3
"""At once: what the models of several pictures were taught."""
NARROWEST = 4
"""How many times as long as wide a picture may be; of a longer one the ends are cut off."""


class InstructedEdit(BasePredictor):
    """What they share whose changes are asked for in words."""

    def setup(
        self,
        weights: str,
        precision: str = "",
        always: dict[str, Any] | None = None,
        sizes: Sequence[Sequence[int]] = (),
    ) -> None:
        """`weights` is a folder that `DiffusionPipeline` loads; `always` goes into each call;
        `sizes` are the widths and heights that the model was taught, where they are few.
        """
        self.sizes = [(width, height) for width, height in sizes]
        self.painter = Painter(weights, precision, always, **_given(weights))
        if "image" not in self.painter.accepted:
            kind = type(self.painter.pipeline).__name__
            raise ValueError(f"{weights} holds a {kind}, which changes no picture.")

    def changed(
        self, given: list[Any], form: str, settings: dict[str, Any], drawing: Drawing
    ) -> Any:
        """The picture that the pipeline makes of those given."""
        painter = self.painter
        width, height = self._size(form, given[0])
        settings |= {"width": width, "height": height, "max_area": width * height}
        settings["image"] = given[0] if len(given) == 1 else given
        if (width, height) != given[0].size:
            print(f"The picture is drawn at {width} × {height}.")
        settings["generator"] = drawing.generator()
        return drawing.draw(painter.pipeline, settings)

    def words(self, prompt: str, negative_prompt: str, guidance: float) -> dict[str, Any]:
        """As the painter's, cut to what the model reads where the pipeline does not cut itself."""
        settings: dict[str, Any] = self.painter.words(prompt, negative_prompt, guidance)
        if "processor" in self.painter.pipeline.components:
            most = self.painter.accepted["max_sequence_length"].default
            for name in {"prompt", "negative_prompt"} & settings.keys():
                settings[name] = _cut(self.painter.pipeline.tokenizer, settings[name], most)
        return settings

    def _size(self, form: str, picture: Any) -> tuple[int, int]:
        """About a megapixel, in the form asked for or the picture's."""
        wide, high = picture.size if form == LIKE_INPUT else map(int, form.split(":"))
        if self.sizes:
            return min(self.sizes, key=lambda size: abs(size[0] / size[1] - wide / high))
        if form == LIKE_INPUT:
            width, height = aspect_ratios.size_of_area(wide, high, 1, self.painter.multiple)
        else:
            width, height = aspect_ratios.size_of(form, multiple=self.painter.multiple)
        return width, height


class ImageEdit(InstructedEdit):
    """One picture in, one out."""

    def predict(
        self,
        prompt: str = Input(
            description="Text description of what you want to generate, or the instruction on how "
            "to edit the given image"
        ),
        input_image: Path = Input(
            description="Image to use as reference. Must be jpeg, png, gif, or webp"
        ),
        negative_prompt: str = Input(default="", description="What the picture should not show"),
        aspect_ratio: str = Input(
            default=LIKE_INPUT,
            choices=[*FORMS, LIKE_INPUT],
            description="Aspect ratio of the generated image. Use 'match_input_image' to match "
            "the aspect ratio of the input image",
        ),
        num_inference_steps: int = Input(
            default=30, ge=1, le=50, description="Number of inference steps"
        ),
        guidance: float = Input(
            default=2.5, ge=0, le=10, description="Guidance scale for generation"
        ),
        seed: int | None = Input(
            default=None,
            description="Random seed for reproducible generation. Leave blank for random",
        ),
        output_format: str = Input(
            default="webp", choices=["webp", "jpg", "png"], description="Output image format"
        ),
        output_quality: int = Input(
            default=80,
            ge=0,
            le=100,
            description="Quality when saving the output images, from 0 to 100. 100 is best "
            "quality, 0 is lowest quality. Not relevant for .png outputs",
        ),
        disable_safety_checker: bool = Input(
            default=False,
            description="There is no safety checker here: true keeps the log from saying so",
        ),
        go_fast: bool = Input(
            default=True,
            description="Without effect here: the precision is what fits this machine's memory",
        ),
    ) -> Path:
        """Makes one picture."""
        tell_unchecked(disable_safety_checker)
        tell_not_faster(go_fast)
        given = [_readable(input_image, "input_image", self.painter.multiple)]
        drawing = Drawing(self.painter.preview, seed)
        settings = self.words(prompt, negative_prompt, guidance)
        settings["num_inference_steps"] = num_inference_steps
        picture = self.changed(given, aspect_ratio, settings, drawing)
        file: Path = drawing.save(picture, output_format, output_quality)
        return file


class ImagesEdit(InstructedEdit):
    """Several pictures in, which the prompt may number."""

    def predict(
        self,
        prompt: str = Input(
            description="What to change; several pictures are Picture 1, Picture 2 and so on"
        ),
        image: list[Path] = Input(
            description=f"The pictures to change or to put together, up to {MOST_PICTURES}"
        ),
        negative_prompt: str = Input(default="", description="What the picture should not show"),
        aspect_ratio: str = Input(
            default=LIKE_INPUT,
            choices=[*FORMS, LIKE_INPUT],
            description="Aspect ratio of the generated image. 'match_input_image' is that of the "
            "first image",
        ),
        go_fast: bool = Input(
            default=True,
            description="Without effect here: the precision is what fits this machine's memory",
        ),
        num_inference_steps: int = Input(
            default=40, ge=1, le=100, description="Number of inference steps"
        ),
        guidance: float = Input(
            default=4.0,
            ge=0,
            le=10,
            description="How strictly to follow the prompt; up to 1 takes half the time",
        ),
        seed: int | None = Input(
            default=None, description="Random seed. Set for reproducible generation"
        ),
        output_format: str = Input(
            default="webp",
            choices=["webp", "jpg", "png"],
            description="Format of the output images",
        ),
        output_quality: int = Input(
            default=95,
            ge=0,
            le=100,
            description="Quality when saving the output images, from 0 to 100. 100 is best "
            "quality, 0 is lowest quality. Not relevant for .png outputs",
        ),
        disable_safety_checker: bool = Input(
            default=False,
            description="There is no safety checker here: true keeps the log from saying so",
        ),
    ) -> list[Path]:
        """Makes one picture."""
        if not image:
            raise InvalidInput("No image is given; give one at least.")
        if len(image) > MOST_PICTURES:
            raise InvalidInput(f"{len(image)} images are given; {MOST_PICTURES} are allowed.")
        tell_unchecked(disable_safety_checker)
        tell_not_faster(go_fast)
        multiple = self.painter.multiple
        given = [_readable(each, "image", multiple) for each in image]
        drawing = Drawing(self.painter.preview, seed)
        settings = self.words(prompt, negative_prompt, guidance)
        settings["num_inference_steps"] = num_inference_steps
        picture = self.changed(given, aspect_ratio, settings, drawing)
        return [drawing.save(picture, output_format, output_quality)]


def _given(weights: str) -> dict[str, Any]:
    """Parts that the library cannot load without packages that the app does not have."""
    folder = FilePath(weights) / "processor"
    return {"processor": processor_of(str(folder))} if folder.is_dir() else {}


def _readable(file: Path, name: str, multiple: int) -> Any:
    """The picture, on white; made larger, or cut, where no model could read it."""
    picture = pictures.on_white(pictures.opened(file, name))
    shortest, longest = sorted(picture.size)
    if shortest >= 2 * multiple and longest <= NARROWEST * shortest:
        return picture
    size = aspect_ratios.size_of_area(*picture.size, 1, multiple)
    return fitted(picture, size, name)


def _cut(tokenizer: Any, text: str, most: int) -> str:
    """The text as far as its first tokens go."""
    tokens = tokenizer(text).input_ids
    return text if len(tokens) <= most else str(tokenizer.decode(tokens[:most]))
