"""Models that fail: what is said of it, and that nothing else suffers."""

from __future__ import annotations

import pytest

from tests.workers.plain import ECHO
from workers import messages


async def ends_and_leaves_the_pool_working(pool, source, **inputs):
    """The end of a prediction of this model, after which another model still runs."""
    prediction = pool.run(pool.model(source), **inputs)
    end = await pool.end(prediction)
    assert isinstance(await pool.end(pool.run(pool.model(ECHO), text="on")), messages.Succeeded)
    ends = [e for e in pool.events[prediction] if isinstance(e, messages.TERMINAL)]
    assert ends == [end], "exactly one end"
    return prediction, end


async def test_a_failure_in_setup_fails_all_that_waited_with_reason_and_log(pool):
    version = pool.model("""
        class Predictor(BasePredictor):
            def setup(self):
                print("looking for weights")
                raise RuntimeError("there are no weights")
            def predict(self) -> str:
                return ""
    """)
    predictions = [pool.run(version) for _ in range(3)]
    for prediction in predictions:
        end = await pool.end(prediction)
        assert isinstance(end, messages.Failed)
        assert "there are no weights" in end.reason
        assert "looking for weights" in end.traceback and "Traceback" in end.traceback


async def test_a_failure_midway_keeps_the_output_so_far(pool):
    prediction, end = await ends_and_leaves_the_pool_working(
        pool,
        """
        class Predictor(BasePredictor):
            def predict(self) -> ConcatenateIterator[str]:
                yield "one"
                yield "two"
                raise ValueError("boom")
        """,
    )
    assert isinstance(end, messages.Failed) and end.reason == "boom"
    assert pool.output(prediction) == ["one", "two"]
    assert "predict.py" in end.traceback and "child.py" not in end.traceback


@pytest.mark.parametrize(
    ("leaves", "said"),
    [("sys.exit(3)", "SystemExit: 3"), ("os._exit(3)", "exited with code 3")],
)
async def test_a_setup_that_exits_fails_its_prediction_and_no_other(pool, leaves, said):
    exits = pool.run(
        pool.model(f"""
            import os, sys
            class Predictor(BasePredictor):
                def setup(self):
                    print("last words", flush=True)
                    {leaves}
                def predict(self) -> str: ...
        """)
    )
    other = pool.run(
        pool.model("""
            class Predictor(BasePredictor):
                def predict(self) -> str: return "fine"
        """)
    )
    failed = await pool.end(exits)
    assert isinstance(failed, messages.Failed)
    assert "could not be set up" in failed.reason and said in failed.reason
    assert "last words" in failed.traceback
    await pool.end(other)
    assert pool.output(other) == "fine"


async def test_a_process_that_exits_fails_its_prediction_with_its_last_words(pool):
    prediction, end = await ends_and_leaves_the_pool_working(
        pool,
        """
        import os
        class Predictor(BasePredictor):
            def predict(self) -> str:
                print("last words")
                os._exit(3)
        """,
    )
    assert isinstance(end, messages.Failed) and "exited with code 3" in end.reason
    assert "last words" in pool.logs(prediction)


async def test_a_crash_in_c_says_which_signal_and_where(pool):
    prediction, end = await ends_and_leaves_the_pool_working(
        pool,
        """
        import ctypes
        class Predictor(BasePredictor):
            def predict(self) -> str:
                return ctypes.string_at(0)
        """,
    )
    assert isinstance(end, messages.Failed) and "SIGSEGV" in end.reason
    assert "predict.py" in pool.logs(prediction)


async def test_sys_exit_fails_the_prediction_and_keeps_the_process(pool):
    version = pool.model("""
        import os, sys
        class Predictor(BasePredictor):
            def predict(self, leave: bool) -> int:
                if leave:
                    sys.exit(4)
                return os.getpid()
    """)
    before = pool.run(version, leave=False)
    await pool.end(before)
    leaving = await pool.end(pool.run(version, leave=True))
    after = pool.run(version, leave=False)
    await pool.end(after)
    assert isinstance(leaving, messages.Failed) and "SystemExit: 4" in leaving.reason
    assert pool.output(before) == pool.output(after)


async def test_whatever_keeps_an_instance_from_starting_fails_those_that_wait(pool):
    def fails(version):
        raise ValueError("nobody foresaw this")

    pool.pool._why_gone = fails
    end = await pool.end(pool.run(pool.model(ECHO), text="a"))
    assert "nobody foresaw this" in end.reason


@pytest.mark.parametrize("text", [1 << 70, "\udc80"])
async def test_inputs_that_no_message_can_hold_fail_their_prediction_alone(pool, text):
    version = pool.model(ECHO)
    end = await pool.end(pool.run(version, text=text))
    assert isinstance(end, messages.Failed) and "cannot be sent to the model" in end.reason
    fine = pool.run(version, text="on")
    await pool.end(fine)
    assert pool.output(fine) == "on"
