"""Models that do one simple thing."""

from __future__ import annotations

ECHO = """
class Predictor(BasePredictor):
    def predict(self, text: str) -> str:
        return text
"""

NEVER_ENDS = """
import time
class Predictor(BasePredictor):
    def predict(self) -> str:
        while True:
            time.sleep(1000)
"""
