from cog import BasePredictor


class Predictor(BasePredictor):
    def setup(self) -> None:
        print("looking for weights")
        raise RuntimeError("The weights are not there.")

    def predict(self, text: str = "") -> str:
        return text
