"""A GPU that is only a figure, and a model that asks it for too much where it is told to."""

from __future__ import annotations

from model_registry.spec import Rung
from workers.devices import GIB, Device

CARD = Device("cuda:0", "NVIDIA Test Card", 16 * GIB, max_instances=64)
LADDER = (Rung("bf16", 14 * GIB), Rung("fp8", 8 * GIB), Rung("4bit", 5 * GIB))

ERRORS = """
class OutOfMemoryError(RuntimeError):
    "As torch names it."
"""

AS_TORCH_SAYS = (
    'OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total")'
)

GREEDY = (
    ERRORS
    + """
class Predictor(BasePredictor):
    def setup(self, precision="", too_much_to_load=(), too_much_to_run=()):
        self.precision, self.too_much = precision, too_much_to_run
        if precision in too_much_to_load:
            raise %(error)s
    def predict(self, text: str = "") -> str:
        if self.precision in self.too_much:
            raise %(error)s
        return self.precision
"""
)


def greedy(pool, load=(), run=(), error=AS_TORCH_SAYS, **more):
    """It runs out at these precisions: when it is loaded, or when it runs."""
    options = {"too_much_to_load": list(load), "too_much_to_run": list(run)}
    more = {"gpu": True, "ladder": LADDER, **more}
    return pool.model(GREEDY % {"error": error}, options=options, **more)
