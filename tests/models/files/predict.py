import tempfile

from cog import BasePredictor, Input, Path


class Predictor(BasePredictor):
    def predict(self, n: int = Input(default=2, ge=0, le=20)) -> list[Path]:
        folder = Path(tempfile.mkdtemp())
        for number in range(n):
            (folder / f"file {number}.txt").write_text(f"content {number}")
        return [folder / f"file {number}.txt" for number in range(n)]
