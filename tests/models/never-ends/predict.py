import time

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, text: str = "") -> str:
        print("started")
        while True:
            time.sleep(1000)
