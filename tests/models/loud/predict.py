from cog import BasePredictor, Input


class Predictor(BasePredictor):
    def predict(self, lines: int = Input(default=20_000)) -> int:
        for number in range(lines):
            print(f"{number:06} " + "x" * 42)
        return lines
