class Predictor:
    def predict(self, text) -> str:
        return text
