"""What happens when memory runs out: real child processes on GPUs that are only figures."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from model_registry.spec import Rung
from workers import messages
from workers.devices import GIB, Device
from workers.reservations import Reservation

MODELS = Path(__file__).parent.parent / "models"
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
    options = {"too_much_to_load": list(load), "too_much_to_run": list(run)}
    more = {"gpu": True, "ladder": LADDER, **more}
    return pool.model(GREEDY % {"error": error}, options=options, **more)


def ends(pool, prediction):
    return [e for e in pool.events[prediction] if isinstance(e, messages.TERMINAL)]


async def test_a_model_is_loaded_at_the_best_precision_that_fits(make_pool):
    pool = await make_pool(CARD)
    prediction = pool.run(greedy(pool))
    await pool.end(prediction)
    assert pool.output(prediction) == "bf16"
    assert not pool.logs(prediction)


async def test_a_precision_whose_package_is_missing_is_passed_over_and_that_is_said(
    make_pool, needed_packages
):
    needed_packages({"fp8": "no_such_package"})
    pool = await make_pool(dataclasses.replace(CARD, memory=10 * GIB))
    prediction = pool.run(greedy(pool))
    await pool.end(prediction)
    assert pool.output(prediction) == "4bit"
    assert "fp8 would come first and needs no_such_package" in pool.logs(prediction)


async def test_what_runs_below_the_best_only_for_a_package_says_that_it_fits(
    make_pool, needed_packages
):
    needed_packages({"bf16": "no_such_package"})
    pool = await make_pool(CARD)
    prediction = pool.run(greedy(pool))
    await pool.end(prediction)
    assert pool.output(prediction) == "fp8"
    assert "Runs at fp8: bf16 would come first and needs no_such_package" in pool.logs(prediction)


async def test_a_model_that_only_lacks_a_package_to_fit_is_refused_with_its_name(
    make_pool, needed_packages
):
    needed_packages({"4bit": "no_such_package"})
    pool = await make_pool(dataclasses.replace(CARD, memory=6 * GIB))
    end = await pool.end(pool.run(greedy(pool)))
    assert end.reason == (
        "It needs at least 8.6 GB of memory (at fp8); NVIDIA Test Card has 6.4 GB. It does "
        "not fit here: choose a smaller model, or a larger machine. It would at 4bit, which needs "
        "no_such_package: pip install -r requirements-gpu.txt."
    )


async def test_where_every_package_is_missing_the_model_says_which(make_pool, needed_packages):
    needed_packages({"fp8": "no_such_package", "4bit": "no_such_package"})
    pool = await make_pool(dataclasses.replace(CARD, memory=10 * GIB))
    prediction = pool.run(greedy(pool, ladder=LADDER[1:]))
    await pool.end(prediction)
    assert pool.output(prediction) == "fp8", "the runner's own error is the clearest"


@pytest.mark.parametrize(
    "error",
    [
        AS_TORCH_SAYS,
        "MemoryError()",
        'RuntimeError("std::bad_alloc")',
        'RuntimeError("CUDA error: out of memory")',
    ],
)
async def test_what_runs_out_while_it_loads_is_loaded_at_the_next_precision(make_pool, error):
    pool = await make_pool(CARD)
    version = greedy(pool, load=["bf16"], error=error)
    first = pool.run(version)
    assert isinstance(await pool.end(first), messages.Succeeded)
    assert pool.output(first) == "fp8"
    assert "Out of memory at bf16 on NVIDIA Test Card, which has 17.2 GB" in pool.logs(first)
    assert "Runs at fp8: bf16 does not fit on NVIDIA Test Card" in pool.logs(first)


async def test_a_run_that_runs_out_is_taken_up_once_more_with_less(make_pool):
    pool = await make_pool(CARD)
    prediction = pool.run(greedy(pool, run=["bf16"]))
    assert isinstance(await pool.end(prediction), messages.Succeeded)
    assert pool.output(prediction) == "fp8" and len(ends(pool, prediction)) == 1
    assert (
        "at bf16 on NVIDIA Test Card, which has 17.2 GB for models (it asked for 2.50 GiB more"
        in (pool.logs(prediction))
    )


async def test_a_second_time_it_fails_with_what_was_asked_and_what_there_is(make_pool):
    pool = await make_pool(CARD)
    prediction = pool.run(greedy(pool, run=["bf16", "fp8"]))
    end = await pool.end(prediction)
    assert isinstance(end, messages.Failed) and "OutOfMemoryError" in end.traceback
    assert re.fullmatch(
        r"Out of memory at fp8 on NVIDIA Test Card, which has 17\.2 GB for models \(it asked for "
        r"2\.50 GiB more\)\. Ask for a smaller or shorter output, or for fewer at once\.",
        end.reason,
    )


async def test_without_a_lower_precision_it_fails_at_once_and_the_next_one_runs(make_pool):
    pool = await make_pool(CARD)
    alone = greedy(pool, run=[""], ladder=(), memory=GIB)
    end = await pool.end(pool.run(alone))
    assert isinstance(end, messages.Failed) and end.reason.startswith("Out of memory on NVIDIA")
    lowest = greedy(pool, load=["bf16", "fp8", "4bit"])
    end = await pool.end(pool.run(lowest))
    assert isinstance(end, messages.Failed)
    assert "could not be set up. Out of memory at 4bit on NVIDIA Test Card" in end.reason
    # Who asks again gets the same answer, not an endless wait or a refusal for ever.
    again = await pool.end(pool.run(lowest))
    assert isinstance(again, messages.Failed) and again.reason == end.reason


async def test_what_has_put_out_something_is_not_taken_up_again(make_pool):
    pool = await make_pool(CARD)
    version = pool.model(
        ERRORS
        + """
class Predictor(BasePredictor):
    def predict(self) -> ConcatenateIterator[str]:
        yield "one"
        raise OutOfMemoryError("CUDA out of memory.")
""",
        gpu=True,
        ladder=LADDER,
    )
    prediction = pool.run(version)
    assert isinstance(await pool.end(prediction), messages.Failed)
    assert pool.output(prediction) == ["one"]


async def test_an_instance_that_ran_out_leaves_and_gives_back_what_it_held(make_pool):
    pool = await make_pool(CARD)
    version = pool.model(
        ERRORS
        + """
import os
class Predictor(BasePredictor):
    def predict(self, greedy: bool) -> int:
        if greedy:
            raise OutOfMemoryError("CUDA out of memory.")
        return os.getpid()
""",
        gpu=True,
        ladder=LADDER[:1],
    )
    first = pool.run(version, greedy=False)
    await pool.end(first)
    await pool.end(pool.run(version, greedy=True))
    second = pool.run(version, greedy=False)
    await pool.end(second)
    assert pool.output(first) != pool.output(second)


async def test_what_never_worked_at_a_precision_is_not_tried_there_again(make_pool):
    pool = await make_pool(CARD, idle_timeout=0)
    version = greedy(pool, run=["bf16"])
    first = pool.run(version)
    await pool.end(first)
    second = pool.run(version)
    await pool.end(second)
    assert pool.output(second) == "fp8" and "Out of memory" not in pool.logs(second)


async def test_another_card_is_tried_at_the_precision_that_one_was_too_small_for(make_pool):
    small = Device("cuda:0", "NVIDIA Small", 16 * GIB, 64, environment={"CARD": "small"})
    large = Device("cuda:1", "NVIDIA Large", 15 * GIB, 64, environment={"CARD": "large"})
    pool = await make_pool(small, large)
    version = pool.model(
        ERRORS
        + """
import os
class Predictor(BasePredictor):
    def setup(self, precision=""):
        self.precision = precision
        if os.environ["CARD"] == "small":
            raise OutOfMemoryError("CUDA out of memory.")
    def predict(self) -> str:
        return self.precision
""",
        gpu=True,
        ladder=LADDER,
    )
    prediction = pool.run(version)
    await pool.end(prediction)
    assert pool.output(prediction) == "bf16"


async def test_one_request_that_asks_too_much_does_not_lower_the_others(make_pool):
    pool = await make_pool(CARD, idle_timeout=0)
    version = pool.model(
        ERRORS
        + """
class Predictor(BasePredictor):
    def setup(self, precision=""):
        self.precision = precision
    def predict(self, size: int) -> str:
        if size > 1 and self.precision == "bf16":
            raise OutOfMemoryError("CUDA out of memory.")
        return self.precision
""",
        gpu=True,
        ladder=LADDER,
    )
    outputs = []
    for size in (1, 2, 1):
        prediction = pool.run(version, size=size)
        await pool.end(prediction)
        outputs.append(pool.output(prediction))
        for instance in list(pool.pool._instances.values()) if size == 2 else ():
            await instance.left()  # idle, so that the best precision has room again
    assert outputs == ["bf16", "fp8", "bf16"]


async def test_a_first_request_that_fits_nowhere_does_not_lower_the_others(make_pool):
    pool = await make_pool(CARD, idle_timeout=0)
    version = pool.model(
        ERRORS
        + """
class Predictor(BasePredictor):
    def setup(self, precision=""):
        self.precision = precision
    def predict(self, size: int) -> str:
        if size > 1:
            raise OutOfMemoryError("CUDA out of memory.")
        return self.precision
""",
        gpu=True,
        ladder=LADDER,
    )
    assert isinstance(await pool.end(pool.run(version, size=2)), messages.Failed)
    for instance in list(pool.pool._instances.values()):
        await instance.left()
    modest = pool.run(version, size=1)
    await pool.end(modest)
    assert pool.output(modest) == "bf16"


async def test_a_second_instance_that_finds_no_memory_bars_no_first_one_for_ever(
    make_pool, tmp_path
):
    pool = await make_pool(CARD, idle_timeout=0)
    version = pool.model(
        ERRORS
        + f"""
import os, time
LOADED, LET_GO = {str(tmp_path / "loaded")!r}, {str(tmp_path / "let-go")!r}
class Predictor(BasePredictor):
    def setup(self):
        if os.path.exists(LOADED) and not os.path.exists(LET_GO):
            raise OutOfMemoryError("CUDA out of memory.")
        open(LOADED, "w").close()
    def predict(self) -> str:
        while not os.path.exists(LET_GO):
            time.sleep(0.01)
        return "done"
""",
        gpu=True,
        ladder=LADDER[-1:],
    )
    pool.pool.reserve([Reservation(version, 0, 2)])
    first = pool.run(version)
    await pool.until(first, messages.Started)
    second = pool.run(version)
    await pool.until(second, messages.Log)
    (tmp_path / "let-go").touch()
    assert isinstance(await pool.end(first), messages.Succeeded)
    assert isinstance(await pool.end(second), messages.Succeeded)
    assert "trying again" in pool.logs(second)
    for instance in list(pool.pool._instances.values()):
        await instance.left()
    assert isinstance(await pool.end(pool.run(version)), messages.Succeeded)


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


async def test_a_precision_below_that_lacks_a_package_is_named_where_all_others_failed(
    make_pool, needed_packages
):
    needed_packages({"fp8": "no_such_package", "4bit": "no_such_package"})
    pool = await make_pool(CARD)
    end = await pool.end(pool.run(greedy(pool, load=["bf16"])))
    assert end.reason.endswith(
        "It takes less at fp8 or 4bit, which need no_such_package: "
        "pip install -r requirements-gpu.txt."
    )


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
    end = await pool.end(pool.run(version))
    assert isinstance(end, messages.Failed)
    assert "all models together may hold 0.4 GB here. Ask for a smaller" in end.reason


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


async def test_a_canceled_prediction_that_runs_out_is_not_taken_up_again(make_pool):
    pool = await make_pool(CARD)
    version = pool.model(
        ERRORS
        + """
import time
class Predictor(BasePredictor):
    def predict(self) -> str:
        try:
            print("running")
            time.sleep(1000)
        except BaseException:
            raise OutOfMemoryError("CUDA out of memory.") from None
""",
        gpu=True,
        ladder=LADDER,
    )
    prediction = pool.run(version)
    await pool.until(prediction, messages.Log)
    pool.pool.cancel(prediction)
    assert isinstance(await pool.end(prediction), messages.Failed)
    assert not pool.pool._queue


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


async def test_the_memory_of_a_gpu_is_reported_by_who_computes_there(make_pool):
    pool = await make_pool(CARD)
    version = pool.model(
        """
import sys, types
class Cuda:
    "What torch says of a GPU."
    def is_initialized(self): return True
    def reset_peak_memory_stats(self): pass
    def max_memory_allocated(self): return 3_000_000_000
    def max_memory_reserved(self): return 4_000_000_000
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
    assert [(e.name, e.value) for e in metrics] == [("peak_memory", 3_000_000_000)]
    assert pool.pool._known.measured(version) == {("bf16", "cuda:0"): 4_500_000_000}
