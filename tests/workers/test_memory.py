"""How much memory models hold: what is measured, told and done about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from model_registry.spec import Rung
from tests.workers.greedy import CARD, LADDER
from tests.workers.plain import ECHO
from workers import messages
from workers.devices import GIB

MODELS = Path(__file__).parent.parent / "models"


async def test_a_crash_in_cpp_for_want_of_memory_is_told_as_such(pool):
    version = pool.model("""
        import os
        class Predictor(BasePredictor):
            def predict(self) -> str:
                os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\\n")
                os.abort()
    """)
    end = await pool.end(pool.run(version))
    assert isinstance(end, messages.Failed) and end.reason.startswith("Out of memory on the CPU")


async def test_what_decides_how_much_memory_a_run_takes_is_named(make_pool):
    pool = await make_pool()
    version = pool.model("""
        class Predictor(BasePredictor):
            def predict(self, width: int, num_outputs: int, seed: int) -> str:
                raise RuntimeError("can't allocate memory: tried to allocate 400000000000 bytes")
    """, inputs=["width", "num_outputs", "seed"])  # fmt: skip
    end = await pool.end(pool.run(version, width=1, num_outputs=1, seed=1))
    assert "(it asked for 400.0 GB more). Ask for a smaller" in end.reason
    assert end.reason.endswith("for fewer at once: lower width or num_outputs.")


async def test_a_process_that_the_system_kills_says_what_it_held_and_what_there_is(pool):
    version = pool.model("""
        import os, signal
        class Predictor(BasePredictor):
            def setup(self, weights):
                self.weights = b"x" * 200_000_000
            def predict(self, ends: bool, duration: int) -> str:
                if ends:
                    os.kill(os.getpid(), signal.SIGKILL)
                return ""
    """, inputs=["ends", "duration"], weights="/weights")  # fmt: skip
    end = await pool.end(pool.run(version, ends=True, duration=1))
    assert isinstance(end, messages.Failed)
    assert re.search(
        r"killed by the system \(it held 0\.[23] GB\), most likely because the machine ran out of "
        r"memory, of which it has \d+\.\d GB\. .* lower duration\.$",
        end.reason,
    )
    after = await pool.end(pool.run(version, ends=False, duration=1))
    assert isinstance(after, messages.Succeeded)


async def test_what_holds_more_than_all_models_may_is_stopped_and_told(make_pool):
    pool = await make_pool(cpu_memory=400_000_000)
    version = pool.model((MODELS / "eats-memory" / "predict.py").read_text())
    prediction = pool.run(version)
    end = await pool.end(prediction)
    assert isinstance(end, messages.Failed)
    assert "all models together may hold 0.4 GB here. Ask for a smaller" in end.reason
    modest = pool.model("def Predictor() -> str: return ''")
    assert isinstance(await pool.end(pool.run(modest)), messages.Succeeded)
    ends = [e for e in pool.events[prediction] if isinstance(e, messages.TERMINAL)]
    assert ends == [end], "exactly one end"


async def test_what_is_idle_leaves_before_what_runs_is_stopped(make_pool, tmp_path):
    pool = await make_pool(cpu_memory=400_000_000)
    source = """
        import pathlib, time
        class Predictor(BasePredictor):
            def predict(self, size: int, until: str) -> str:
                self.held = b"x" * size
                while until and not pathlib.Path(until).exists():
                    time.sleep(0.01)
                return "done"
    """
    idle, busy = (pool.model(source, memory=100_000_000 + more) for more in range(2))
    await pool.end(pool.run(idle, size=150_000_000, until=""))
    (instance,) = pool.pool._instances.values()
    runs = pool.run(busy, size=300_000_000, until=str(tmp_path / "over"))
    await pool.until(runs, messages.Started)
    await instance.left()
    (tmp_path / "over").touch()
    assert isinstance(await pool.end(runs), messages.Succeeded)


async def test_what_runs_held_is_what_the_next_instance_is_taken_to_need(make_pool):
    pool = await make_pool()
    version = pool.model("""
        class Predictor(BasePredictor):
            def setup(self, weights):
                self.weights = b"x" * 200_000_000
            def predict(self) -> int:
                return len(self.weights)
    """, weights="/weights", memory=50_000_000)  # fmt: skip
    prediction = pool.run(version)
    await pool.end(prediction)
    (peak,) = [
        e.value
        for e in pool.events[prediction]
        if isinstance(e, messages.Metric) and e.name == "peak_memory"
    ]
    assert peak > 200_000_000
    known = pool.pool._known.measured(version)
    assert known["", "cpu"] >= 0.99 * peak  # what it holds after the run may be a page less


async def test_a_model_is_told_how_much_memory_there_is_for_it(make_pool):
    pool = await make_pool(CARD, cpu_memory=5 * GIB)
    source = """
        import os
        class Predictor(BasePredictor):
            def predict(self) -> str:
                return os.environ["ATELIER_MEMORY"]
    """
    alone, among = pool.run(pool.model(source)), pool.run(pool.model(source, memory=GIB, gpu=True))
    await pool.end(alone)
    await pool.end(among)
    assert (pool.output(alone), pool.output(among)) == (str(5 * GIB), str(GIB))


@pytest.mark.parametrize(
    ("cards", "peak", "held"),
    [(1, 3_000_000_000, 4_500_000_000), (2, 5_000_000_000, 9_000_000_000)],
)
async def test_the_memory_of_gpus_is_reported_by_who_computes_there(make_pool, cards, peak, held):
    """Of two, the second has less in use; both are planned with what the first holds."""
    pool = await make_pool(CARD)
    version = pool.model(
        f"CARDS = {cards}"
        """
import sys, types
class Cuda:
    "What torch says of a GPU."
    def is_initialized(self): return True
    def reset_peak_memory_stats(self, card): pass
    def device_count(self): return CARDS
    def max_memory_allocated(self, card): return 3_000_000_000 - card * 1_000_000_000
    def max_memory_reserved(self, card): return 4_000_000_000 - card * 1_000_000_000
class Predictor(BasePredictor):
    def setup(self):
        sys.modules["torch"] = types.SimpleNamespace(cuda=Cuda())
    def predict(self) -> str:
        return ""
""",
        gpu=True,
        ladder=LADDER,
    )
    prediction = pool.run(version)
    await pool.end(prediction)
    metrics = [e for e in pool.events[prediction] if isinstance(e, messages.Metric)]
    assert [(e.name, e.value) for e in metrics] == [("peak_memory", peak)]
    assert pool.pool._known.measured(version) == {("bf16", "cuda:0"): held}


async def test_what_the_machine_holds_is_looked_up_once_for_all_predictions(make_pool, monkeypatch):
    pool = await make_pool(CARD)
    rungs = (Rung("bf16", 2 * GIB), Rung("offload", GIB))
    version = pool.model(ECHO, gpu=True, ladder=rungs, memory=2 * GIB)
    await pool.end(pool.run(version, text="a"))
    asked = []
    monkeypatch.setattr("psutil.virtual_memory", lambda: asked.append(1))
    for text in "bcd":
        prediction = pool.run(version, text=text)
        assert isinstance(await pool.end(prediction), messages.Succeeded)
    assert not asked
