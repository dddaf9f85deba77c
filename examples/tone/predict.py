"""Says in which tone a text is written; trained on texts of your own, what you taught it."""

from words import Counts

from cog import BaseModel, BasePredictor, Input


class Output(BaseModel):
    label: str
    scores: dict[str, float]


class Predictor(BasePredictor):
    def setup(self, weights: str | None = None) -> None:
        """`weights` is what a training has made; without one, the file that ships."""
        self.counts = Counts.load(str(weights) if weights else "weights.json")
        print(f"tells {' from '.join(sorted(self.counts.texts))}")

    def predict(
        self, text: str = Input(description="A sentence or two", default="What a lovely morning!")
    ) -> Output:
        scores = self.counts.scores(text)
        return Output(label=next(iter(scores)), scores=scores)
