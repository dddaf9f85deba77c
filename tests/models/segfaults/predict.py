import ctypes

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, text: str = "") -> str:
        return str(ctypes.string_at(0))
