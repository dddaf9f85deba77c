import time

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, text: str = "") -> str:
        held = []
        while True:
            held.append(b"x" * 50_000_000)
            time.sleep(0.02)
