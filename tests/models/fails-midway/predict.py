from cog import BasePredictor, ConcatenateIterator


class Predictor(BasePredictor):
    def predict(self, text: str = "") -> ConcatenateIterator[str]:
        print("so far so good")
        yield "one "
        yield "two "
        raise ValueError("It went wrong midway.")
