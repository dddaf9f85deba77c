import os

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, code: int = 3) -> str:
        print("last words")
        os._exit(code)
