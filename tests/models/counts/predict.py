import time

from cog import BasePredictor, ConcatenateIterator, Input


class Predictor(BasePredictor):
    def predict(
        self,
        n: int = Input(default=10, ge=0, le=100_000, description="How far to count"),
        delay: float = Input(default=0.0, ge=0, le=10, description="Seconds between numbers"),
    ) -> ConcatenateIterator[str]:
        for number in range(n):
            if delay:
                time.sleep(delay)
            yield f"{number} "
