"""What happens when memory runs out: real child processes on GPUs that are only figures."""

from __future__ import annotations

import re

import pytest

from tests.workers.greedy import AS_TORCH_SAYS, CARD, ERRORS, LADDER, greedy
from workers import messages
from workers.devices import GIB, Device
from workers.reservations import Reservation


def ends(pool, prediction):
    return [e for e in pool.events[prediction] if isinstance(e, messages.TERMINAL)]


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
