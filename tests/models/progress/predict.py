import time

from cog import BasePredictor, Input, current_scope


class Predictor(BasePredictor):
    def predict(self, steps: int = Input(default=5, ge=1), delay: float = 0.0) -> str:
        scope = current_scope()
        for step in range(steps):
            time.sleep(delay)
            scope.progress(step + 1, steps)
            scope.record_metric("steps", 1, mode="incr")
        return "done"
