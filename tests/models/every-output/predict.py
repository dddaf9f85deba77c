import tempfile
import wave
from typing import Any

from cog import BaseModel, BasePredictor, Input, Path


class Answer(BaseModel):
    text: str
    score: float
    picture: Path
    clips: list[Path]
    details: dict


class Predictor(BasePredictor):
    def predict(self, text: str = Input(default="hello")) -> Answer:
        from PIL import Image

        folder = Path(tempfile.mkdtemp())
        Image.new("RGB", (96, 64), "teal").save(folder / "picture.png")
        with wave.open(str(folder / "tone.wav"), "wb") as written:
            written.setparams((1, 2, 8000, 0, "NONE", ""))
            written.writeframes(b"".join(_tone(n) for n in range(4000)))
        return Answer(
            text=text,
            score=0.5,
            picture=folder / "picture.png",
            clips=[folder / "tone.wav"],
            details={"length": len(text)},
        )


def _tone(n: int) -> Any:
    return int(8000 * ((n // 10) % 2)).to_bytes(2, "little", signed=True)
