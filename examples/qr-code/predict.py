"""A model with a package of its own, which nobody else sees: a text becomes a QR code."""

import tempfile

import segno
from PIL import Image

from cog import BasePredictor, Input, Path


class Predictor(BasePredictor):
    def predict(
        self,
        text: str = Input(description="An address, or any text", default="https://example.org"),
        repair: str = Input(
            description="How much of it may be damaged: L 7 %, M 15 %, Q 25 %, H 30 %",
            choices=["L", "M", "Q", "H"],
            default="M",
        ),
        size: int = Input(description="Pixels of a side, at least", default=480, ge=64, le=4096),
        dark: str = Input(description="Colour of its squares", default="#1b1b3a"),
        light: str = Input(description="Colour of the ground", default="#ffffff"),
        vector: bool = Input(description="An SVG in place of a PNG", default=False),
    ) -> Path:
        try:
            code = segno.make(text, error=repair.lower(), micro=False)
        except segno.DataOverflowError:
            raise ValueError("The text is too long for a QR code at this repair.") from None
        modules, _ = code.symbol_size()
        print(f"version {code.version}, {modules} × {modules} squares with their border")
        made = Path(tempfile.mkdtemp()) / ("code.svg" if vector else "code.png")
        scale = -(-size // modules)
        try:
            code.save(str(made), scale=scale, dark=dark, light=light)
        except ValueError as error:
            raise ValueError(f"A colour cannot be read: {error}") from None
        if not vector:
            with Image.open(made) as picture:
                print(f"{picture.width} × {picture.height} pixels")
        return made
