from cog import BasePredictor, Input, Path


class Predictor(BasePredictor):
    def predict(self, kind: str = Input(choices=["object", "missing-file", "number"])) -> str:
        return {"object": object(), "missing-file": Path("nowhere.png"), "number": 5}[kind]
