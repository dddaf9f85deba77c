from cog import BasePredictor, InvalidInput


class Predictor(BasePredictor):
    def predict(self, text: str = "") -> str:
        print("reading")
        raise InvalidInput(f"text is {text!r}, which says nothing. Write some words.")
