import os
import pathlib

from cog import BasePredictor


class Predictor(BasePredictor):
    def setup(self, weights: str | None = None) -> None:
        assert weights == os.environ.get("COG_WEIGHTS")
        self.word = pathlib.Path(weights).read_text() if weights else "nothing"

    def predict(self, text: str = "I know") -> str:
        return f"{text} {self.word}"
