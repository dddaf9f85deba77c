from cog import BasePredictor, ConcatenateIterator


class Predictor(BasePredictor):
    def predict(self, pieces: list[str]) -> ConcatenateIterator[str]:
        yield from pieces
