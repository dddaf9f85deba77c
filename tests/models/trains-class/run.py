from cog import BaseRunner, Input


class Runner(BaseRunner):
    def setup(self, weights: str | None = None) -> None:
        self.factor = 1
        if weights:
            with open(weights) as opened:
                self.factor = int(opened.read())

    def run(self, number: int = Input(default=1)) -> int:
        return self.factor * number
