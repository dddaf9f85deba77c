import os
import time

from cog import BasePredictor


class Predictor(BasePredictor):
    def setup(self) -> None:
        print("loading 1 of 2")
        time.sleep(float(os.environ["SLOW_SETUP_SECONDS"]))
        print("loading 2 of 2")

    def predict(self, text: str = "") -> str:
        return text
