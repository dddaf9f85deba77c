"""Where `BasePredictor` and `BaseRunner` also are."""

from cog import BasePredictor, BaseRunner

__all__ = ["BasePredictor", "BaseRunner"]
