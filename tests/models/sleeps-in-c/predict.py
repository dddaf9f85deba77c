import ctypes

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, seconds: int = 1000) -> str:
        # PyDLL keeps the interpreter's lock: no Python code of this process runs meanwhile.
        ctypes.PyDLL(None).sleep(seconds)
        return "woke up"
