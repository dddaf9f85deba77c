"""A picture in, a picture out: a photo becomes a poster of a few flat colours."""

import tempfile

from PIL import Image, ImageColor, ImageFilter, ImageOps

from cog import BasePredictor, Input, Path

PALETTES = {
    "night": ("#0b1030", "#27408b", "#e8a33d", "#fff4d6"),
    "forest": ("#10241b", "#2f6b4f", "#a7c957", "#f2f7e0"),
    "rose": ("#2b0f1f", "#8c2f51", "#e58fa4", "#fdeef1"),
    "ink": ("#101010", "#f5f1e8"),
}


class Predictor(BasePredictor):
    def predict(
        self,
        image: Path = Input(description="A photo", accept="image/*"),
        palette: str = Input(description="Its colours", choices=list(PALETTES), default="night"),
        smoothness: int = Input(description="Fewer, larger patches", default=3, ge=0, le=12),
        size: int = Input(description="Pixels of the longer side", default=768, ge=64, le=4096),
        format: str = Input(choices=["png", "jpg", "webp"], default="png"),
    ) -> Path:
        try:
            picture = ImageOps.exif_transpose(Image.open(image)).convert("L")
        except OSError:
            # The sentence is what whoever gave it reads.
            raise ValueError("The image is no picture that can be read.") from None
        picture.thumbnail((size, size))
        if smoothness:
            picture = picture.filter(ImageFilter.ModeFilter(2 * smoothness + 1))
        colours = [ImageColor.getrgb(each) for each in PALETTES[palette]]
        print(f"{picture.width} × {picture.height} pixels in {len(colours)} colours")
        steps = [colours[level * len(colours) // 256] for level in range(256)]
        poster = Image.merge(
            "RGB", [picture.point([step[channel] for step in steps]) for channel in range(3)]
        )
        # What is made in the temporary folder is moved from there, not copied.
        made = Path(tempfile.mkdtemp()) / f"poster.{format}"
        poster.save(made, quality=92)
        return made
