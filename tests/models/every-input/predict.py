import enum
import json
from typing import Literal, Optional

from cog import BasePredictor, Input, Path, Secret


class Mood(enum.Enum):
    CALM = "calm"
    LIVELY = "lively"


class Predictor(BasePredictor):
    def predict(
        self,
        prompt: str = Input(description="A long text, required"),
        name: str = Input(default="Ada", max_length=20, description="A short text"),
        steps: int = Input(default=20, ge=1, le=50, description="Between two bounds"),
        count: int = Input(default=7, description="Without bounds"),
        strength: float = Input(default=0.5, ge=0, le=1),
        temperature: float = Input(default=0.7, ge=0),
        upscale: bool = Input(default=False),
        size: str = Input(default="small", choices=["small", "large"]),
        style: str = Input(default="a", choices=["a", "b", "c", "d", "e", "f"]),
        ratio: Literal["1:1", "16:9", "9:16"] = "1:1",
        mood: Mood = Mood.CALM,
        seed: Optional[int] = Input(default=None, description="Leave unset for a random one"),
        note: Optional[str] = None,
        token: Secret = Input(default=None, description="Never stored"),
        image: Optional[Path] = Input(default=None, accept="image/*", description="A picture"),
        audio: Optional[Path] = Input(default=None, accept="audio/*"),
        video: Optional[Path] = Input(default=None, accept="video/*"),
        document: Optional[Path] = Input(default=None, description="Any file"),
        images: list[Path] = Input(default=[], description="Several files"),
        words: list[str] = Input(default=["one", "two"], description="One a line"),
        numbers: list[int] = Input(default=[1, 2]),
        options: dict = Input(default={"a": 1}, description="A JSON object"),
        either: str | int = Input(default="x", description="A text or a number"),
        old: str = Input(default="", deprecated=True, description="No longer of use"),
    ) -> dict:
        given = {key: value for key, value in locals().items() if key != "self"}
        print("received", len(given), "inputs")
        return json.loads(json.dumps(given, default=_shown))


def _shown(value):
    if isinstance(value, Secret):
        return f"a secret of {len(value.get_secret_value() or '')} characters"
    if isinstance(value, Path):
        return f"a file of {value.stat().st_size} bytes named {value.name}"
    return value.value
