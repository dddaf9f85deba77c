"""Models that behave and models that do not, each in real child processes."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import psutil
import pytest

from cog.encoding import FILE
from workers import messages

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

# Deaf in both ways: it swallows what is raised in it, and sleeps where nothing can be raised.
DEAF = """
import ctypes
class Predictor(BasePredictor):
    def predict(self) -> str:
        while True:
            try:
                print("deaf")
                ctypes.PyDLL(None).sleep(1000)
            except BaseException:
                pass
"""


async def ends_and_leaves_the_pool_working(pool, source, **inputs):
    """The end of a prediction of this model, after which another model still runs."""
    prediction = pool.run(pool.model(source), **inputs)
    end = await pool.end(prediction)
    assert isinstance(await pool.end(pool.run(pool.model(ECHO), text="on")), messages.Succeeded)
    ends = [e for e in pool.events[prediction] if isinstance(e, messages.TERMINAL)]
    assert ends == [end], "exactly one end"
    return prediction, end


async def test_a_model_is_loaded_once_and_stays_warm(pool):
    version = pool.model("""
        import os
        class Predictor(BasePredictor):
            def predict(self) -> int:
                return os.getpid()
    """)
    first, second = pool.run(version), pool.run(version)
    await pool.end(first), await pool.end(second)
    assert pool.output(first) == pool.output(second) != os.getpid()
    assert pool.pool.is_warm(version.id)


async def test_pieces_of_an_iterator_arrive_in_order(pool):
    version = pool.model("""
        class Predictor(BasePredictor):
            def predict(self, n: int) -> ConcatenateIterator[str]:
                for i in range(n):
                    yield f"{i} "
    """)
    prediction = pool.run(version, n=3000)
    await pool.end(prediction)
    assert pool.output(prediction) == [f"{i} " for i in range(3000)]


async def test_an_iterator_that_yields_nothing_has_an_empty_output(pool):
    prediction, end = await ends_and_leaves_the_pool_working(
        pool,
        """
        from typing import Iterator
        class Predictor(BasePredictor):
            def predict(self) -> Iterator[str]:
                return
                yield
        """,
    )
    assert isinstance(end, messages.Succeeded)
    assert pool.output(prediction) == []


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


async def test_what_takes_more_memory_than_models_may_is_stopped_and_says_so(make_pool):
    pool = await make_pool(cpu_memory=700_000_000)
    prediction, end = await ends_and_leaves_the_pool_working(
        pool,
        """
        import time
        class Predictor(BasePredictor):
            def predict(self) -> str:
                held = []
                while True:
                    held.append(b"x" * 50_000_000)
                    time.sleep(0.05)
        """,
    )
    assert isinstance(end, messages.Failed)
    assert "GB of memory" in end.reason and "0.7 GB" in end.reason


async def test_cancel_reaches_a_sleeping_model_and_spares_its_process(pool):
    version = pool.model("""
        import os, time
        class Predictor(BasePredictor):
            def predict(self, seconds: int) -> int:
                time.sleep(seconds)
                return os.getpid()
    """)
    warm = pool.run(version, seconds=0)
    await pool.end(warm)
    sleeping = pool.run(version, seconds=1000)
    await pool.until(sleeping, messages.Started)
    pool.pool.cancel(sleeping)
    assert isinstance(await pool.end(sleeping), messages.Canceled)
    after = pool.run(version, seconds=0)
    await pool.end(after)
    assert pool.output(warm) == pool.output(after)


async def test_cancel_kills_what_does_not_listen_after_the_grace(pool):
    version = pool.model(DEAF)
    deaf = pool.run(version)
    await pool.until(deaf, messages.Log)
    (instance,) = pool.pool._instances.values()
    pool.pool.cancel(deaf)
    await asyncio.wait_for(instance.left(), 30)
    assert not psutil.pid_exists(instance.pid)
    ended = await pool.end(pool.run(pool.model(ECHO), text="x"))
    assert isinstance(ended, messages.Succeeded)


async def test_a_queued_prediction_that_is_canceled_never_starts(pool):
    version = pool.model(NEVER_ENDS)
    running = pool.run(version)
    await pool.until(running, messages.Started)
    queued = pool.run(version)
    pool.pool.cancel(queued)
    pool.pool.cancel(running)
    await pool.end(running)
    last = pool.run(version)
    await pool.until(last, messages.Started)
    assert not any(isinstance(e, messages.Started) for e in pool.events[queued])


async def test_a_run_that_takes_too_long_is_stopped(make_pool):
    pool = await make_pool(run_timeout=0.5)
    end = await pool.end(pool.run(pool.model(NEVER_ENDS)))
    assert isinstance(end, messages.Failed) and "longer than 0.5 seconds" in end.reason


async def test_a_setup_that_takes_too_long_is_stopped(make_pool):
    pool = await make_pool(setup_timeout=0.5)
    end = await pool.end(
        pool.run(
            pool.model("""
                import time
                class Predictor(BasePredictor):
                    def setup(self):
                        time.sleep(1000)
                    def predict(self) -> str:
                        return ""
            """)
        )
    )
    assert isinstance(end, messages.Failed) and "within 0.5 seconds" in end.reason


async def test_logs_come_from_python_c_and_subprocesses_in_order(pool):
    version = pool.model("""
        import ctypes, os, sys
        class Predictor(BasePredictor):
            def predict(self) -> str:
                print("from python")
                print("from stderr", file=sys.stderr)
                os.system("echo from a subprocess")
                ctypes.CDLL(None).puts(b"from C")
                return ""
    """)
    prediction = pool.run(version)
    await pool.end(prediction)
    logs = pool.logs(prediction)
    for words in ("from python", "from stderr", "from a subprocess", "from C"):
        assert words in logs


async def test_a_megabyte_of_log_arrives_whole(pool):
    version = pool.model("""
        class Predictor(BasePredictor):
            def predict(self) -> str:
                for i in range(20000):
                    print(f"{i:06} " + "x" * 42)
                return ""
    """)
    prediction = pool.run(version)
    assert isinstance(await pool.end(prediction), messages.Succeeded)
    assert [int(line[:6]) for line in pool.logs(prediction).splitlines()] == list(range(20000))


async def test_async_runners_really_run_that_many_at_once(pool):
    version = pool.model(
        """
        import asyncio
        gathered = []
        class Predictor(BasePredictor):
            async def predict(self, name: str) -> int:
                gathered.append(name)
                print("hello from", name)
                while len(gathered) < 4:
                    await asyncio.sleep(0.01)
                return len(gathered)
        """,
        concurrency=4,
    )
    predictions = [pool.run(version, name=f"n{i}") for i in range(4)]
    for number, prediction in enumerate(predictions):
        await pool.end(prediction)
        assert pool.output(prediction) == 4
        assert pool.logs(prediction) == f"hello from n{number}\n"


async def test_canceling_one_of_several_leaves_the_others(pool):
    version = pool.model(
        """
        import asyncio
        class Predictor(BasePredictor):
            async def predict(self, wait: float) -> str:
                await asyncio.sleep(wait)
                return "done"
        """,
        concurrency=2,
    )
    long, short = pool.run(version, wait=1000.0), pool.run(version, wait=0.3)
    await pool.until(long, messages.Started)
    pool.pool.cancel(long)
    assert isinstance(await pool.end(long), messages.Canceled)
    assert isinstance(await pool.end(short), messages.Succeeded)


async def test_cancel_before_an_async_run_has_begun_keeps_the_instance(pool):
    version = pool.model(
        """
        import os
        class Predictor(BasePredictor):
            async def predict(self) -> int:
                return os.getpid()
        """,
        concurrency=2,
    )
    first = pool.run(version)
    await pool.end(first)
    for _ in range(20):
        canceled = pool.run(version)
        pool.pool.cancel(canceled)
        await pool.end(canceled)
    again = pool.run(version)
    await pool.end(again)
    assert pool.output(again) == pool.output(first)


async def test_half_characters_in_errors_and_file_names_are_spelled_out(pool):
    version = pool.model("""
        import os
        class Predictor(BasePredictor):
            def predict(self, fails: bool) -> Path:
                path = Path(os.fsdecode(b"bad-\\xff.txt"))
                if fails:
                    raise ValueError(f"cannot read {path}")
                path.write_text("x")
                return path
    """)
    assert (await pool.end(pool.run(version, fails=True))).reason == r"cannot read bad-\udcff.txt"
    prediction = pool.run(version, fails=False)
    assert isinstance(await pool.end(prediction), messages.Succeeded)
    assert Path(pool.output(prediction)[FILE]).name == "bad-\ufffd.txt"


async def test_whatever_keeps_an_instance_from_starting_fails_those_that_wait(pool):
    def fails(version):
        raise ValueError("nobody foresaw this")

    pool.pool._why_gone = fails
    end = await pool.end(pool.run(pool.model(ECHO), text="a"))
    assert "nobody foresaw this" in end.reason


async def test_idle_instances_leave_and_come_back_when_needed(make_pool):
    pool = await make_pool(idle_timeout=0.1)
    version = pool.model(ECHO)
    await pool.end(pool.run(version, text="a"))
    (instance,) = pool.pool._instances.values()
    await asyncio.wait_for(instance.left(), 30)
    again = pool.run(version, text="b")
    await pool.end(again)
    assert pool.output(again) == "b"


async def test_an_idle_instance_gives_its_place_to_another_model(make_pool):
    pool = await make_pool(cpu_instances=1)
    first, second = pool.model(ECHO), pool.model(ECHO + "# another")
    await pool.end(pool.run(first, text="a"))
    assert isinstance(await pool.end(pool.run(second, text="b")), messages.Succeeded)
    assert not pool.pool.is_warm(first.id) and pool.pool.is_warm(second.id)


async def test_what_can_never_fit_fails_at_once_with_both_figures(make_pool):
    pool = await make_pool(cpu_memory=1_000_000_000)
    end = await pool.end(pool.run(pool.model(ECHO, memory=50_000_000_000), text="x"))
    assert isinstance(end, messages.Failed)
    assert "50.0 GB" in end.reason and "1.0 GB" in end.reason


async def test_an_instance_killed_while_idle_costs_the_next_prediction_nothing(pool):
    version = pool.model(ECHO)
    await pool.end(pool.run(version, text="a"))
    (instance,) = pool.pool._instances.values()
    psutil.Process(instance.pid).kill()
    again = pool.run(version, text="b")
    assert isinstance(await pool.end(again), messages.Succeeded)
    assert pool.output(again) == "b"


async def test_a_spare_child_is_loaded_instead_of_a_new_one(make_pool):
    pool = await make_pool(spares=1)
    while not pool.pool._spares.children:
        await asyncio.sleep(0.05)
    spare = pool.pool._spares.children[0]
    version = pool.model(
        """
        import os, sys
        class Predictor(BasePredictor):
            def predict(self) -> list[str]:
                return [str(os.getpid()), str("torch" in sys.modules)]
        """,
        heavy=True,
    )
    prediction = pool.run(version)
    await pool.end(prediction)
    assert pool.output(prediction) == [str(spare.pid), "True"]


async def test_no_spare_is_begun_beside_what_runs(make_pool, monkeypatch):
    pool = await make_pool(spares=1)
    while not pool.pool._spares.children:
        await asyncio.sleep(0.05)
    version = pool.model(
        """
        import time
        class Predictor(BasePredictor):
            def predict(self) -> str:
                print("running")
                time.sleep(1000)
        """,
        heavy=True,
    )
    looks = []
    pause = pool.pool._pause

    async def counted():
        await pause()
        looks.append(bool(pool.pool._spares.children))

    prediction = pool.run(version)
    while "running" not in pool.logs(prediction):
        await asyncio.sleep(0.05)
    monkeypatch.setattr(pool.pool, "_pause", counted)
    while len(looks) < 6:
        await asyncio.sleep(0.05)
    assert not any(looks)
    pool.pool.cancel(prediction)
    while not pool.pool._spares.children:
        await asyncio.sleep(0.05)


async def test_a_model_sees_its_folder_its_environment_and_its_neighbours(pool):
    version = pool.model(
        """
        import os
        import workers
        class Predictor(BasePredictor):
            def predict(self) -> list[str]:
                return [os.getcwd(), os.environ["COLOUR"], workers.NAME]
        """,
        environment={"COLOUR": "blue"},
    )
    (Path(version.code.folder) / "workers.py").write_text("NAME = 'the model has its own workers'")
    prediction = pool.run(version)
    await pool.end(prediction)
    assert pool.output(prediction) == [
        version.code.folder,
        "blue",
        "the model has its own workers",
    ]


async def test_output_files_are_moved_and_a_models_own_files_are_copied(pool):
    version = pool.model("""
        import tempfile
        from pathlib import Path as P
        class Predictor(BasePredictor):
            def predict(self) -> list[Path]:
                made = P(tempfile.mkdtemp()) / "out.txt"
                made.write_text("made")
                P("own.txt").write_text("own")
                P("sub").mkdir(exist_ok=True)
                P("sub/out.txt").write_text("same name")
                return [Path(made), Path("own.txt"), Path("sub/out.txt")]
    """)
    prediction = pool.run(version)
    assert isinstance(await pool.end(prediction), messages.Succeeded)
    paths = [Path(item[FILE]) for item in pool.output(prediction)]
    assert [p.name for p in paths] == ["out.txt", "own.txt", "out-1.txt"]
    assert [p.read_text() for p in paths] == ["made", "own", "same name"]
    assert (Path(version.code.folder) / "own.txt").exists()


async def test_stopping_the_pool_fails_what_runs_and_leaves_no_process(make_pool):
    pool = await make_pool()
    running = pool.run(pool.model(NEVER_ENDS))
    await pool.until(running, messages.Started)
    (instance,) = pool.pool._instances.values()
    await pool.pool.stop()
    assert "was stopped" in (await pool.end(running)).reason
    assert not psutil.pid_exists(instance.pid)


async def test_the_place_in_the_queue_is_told(pool):
    version = pool.model(NEVER_ENDS)
    running = pool.run(version)
    await pool.until(running, messages.Started)
    first, second = pool.run(version), pool.run(version)
    assert (await pool.until(first, messages.Waiting)).activity == "waiting"
    assert (await pool.until(second, messages.Waiting)).activity == "waiting · 1 before you"
    began = time.monotonic()
    pool.pool.cancel(first)
    while pool.events[second][-1].activity != "waiting":
        assert time.monotonic() - began < 30
        await asyncio.sleep(0.05)
