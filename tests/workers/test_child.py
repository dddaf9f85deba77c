"""What a model's own subprocesses and forks find in the child that runs it."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.processes import is_alive
from workers import messages

SQUARES = """
import multiprocessing

def square(number):
    # In one piece: `print` writes the end of the line by itself, and two processes write at once.
    print(f"squaring {number}\\n", end="", flush=True)
    return number * number

class Predictor(BasePredictor):
    def predict(self, method: str) -> list[int]:
        processes = multiprocessing.get_context(method).Pool(2)
        squares = processes.map(square, [1, 2, 3])
        # Left to `with`, they are killed with what they printed still unwritten.
        processes.close()
        processes.join()
        return squares
"""


async def output(pool, source, **inputs):
    """What a model gives, and what it has printed."""
    prediction = pool.run(pool.model(source), **inputs)
    end = await pool.end(prediction)
    assert isinstance(end, messages.Succeeded), end
    return pool.output(prediction), pool.logs(prediction)


@pytest.mark.parametrize("method", ["fork", "spawn"])
async def test_a_model_may_run_its_functions_in_processes_of_its_own(pool, method):
    squares, logs = await output(pool, SQUARES, method=method)
    assert squares == [1, 4, 9]
    assert sorted(logs.split()) == sorted(["squaring", "1", "squaring", "2", "squaring", "3"])


async def test_a_model_finds_the_program_that_fetches_its_weights(pool, tmp_path):
    (tmp_path / "weights.bin").write_text("weights")
    source = f"""
        import subprocess, tempfile
        class Predictor(BasePredictor):
            def setup(self):
                self.place = tempfile.mkdtemp() + "/there.bin"
                weights = "{(tmp_path / "weights.bin").as_uri()}"
                subprocess.check_call(["pget", weights, self.place], close_fds=False)
            def predict(self) -> str:
                return open(self.place).read()
    """
    assert (await output(pool, source))[0] == "weights"


async def test_what_a_model_starts_in_a_session_of_its_own_ends_with_it(pool):
    source = """
        import os, subprocess
        class Predictor(BasePredictor):
            def predict(self) -> str:
                print(subprocess.Popen(["sleep", "1000"], start_new_session=True).pid, flush=True)
                os._exit(3)
    """
    prediction = pool.run(pool.model(source))
    assert isinstance(await pool.end(prediction), messages.Failed)
    while is_alive(int(pool.logs(prediction))):
        await asyncio.sleep(0.01)


async def test_a_script_that_a_model_starts_finds_cog_and_nothing_else_of_ours(pool):
    source = """
        import subprocess, sys
        SCRIPT = '''
        import cog, importlib.util
        ours = ["workers", "settings", "errors", "app", "predictions"]
        print(hasattr(cog, "BasePredictor"), [n for n in ours if importlib.util.find_spec(n)])
        '''
        class Predictor(BasePredictor):
            def predict(self) -> str:
                script = "\\n".join(map(str.strip, SCRIPT.splitlines()))
                return subprocess.check_output([sys.executable, "-c", script], text=True)
    """
    assert (await output(pool, source))[0] == "True []\n"


async def test_what_a_model_starts_may_print_where_the_model_prints(pool):
    source = """
        import subprocess, sys
        class Predictor(BasePredictor):
            def predict(self) -> str:
                command = ["sh", "-c", "echo out; echo err >&2"]
                subprocess.run(command, stdout=sys.stdout, stderr=sys.stderr, check=True)
                return "done"
    """
    assert await output(pool, source) == ("done", "out\nerr\n")


async def test_a_process_that_a_model_forks_never_speaks_for_the_model(pool):
    source = """
        import os, sys
        class Predictor(BasePredictor):
            def predict(self) -> str:
                forked = os.fork()
                if not forked:
                    sys.exit()
                os.waitpid(forked, 0)
                return "the model"
    """
    assert await output(pool, source) == ("the model", "")


async def test_a_model_that_parses_its_command_line_finds_it_empty(pool):
    source = """
        import argparse
        class Predictor(BasePredictor):
            def predict(self) -> str:
                parser = argparse.ArgumentParser()
                parser.add_argument("--size", default="default")
                return parser.parse_args().size
    """
    assert (await output(pool, source))[0] == "default"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("sys.exit(3)", "SystemExit: 3"),
        ("raise BaseException('odd')", "BaseException: odd"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise StopIteration", "StopIteration"),
        ("raise Speechless", "Speechless"),
    ],
)
@pytest.mark.parametrize("word", ["def", "async def"])
async def test_whatever_a_run_raises_fails_it_alone(pool, how, said, word):
    source = f"""
        import sys
        class Speechless(Exception):
            def __str__(self):
                raise ValueError("not even this")
        class Predictor(BasePredictor):
            {word} predict(self, fails: bool) -> str:
                print("before")
                if fails:
                    {how}
                return str(__import__("os").getpid())
    """
    version = pool.model(source)
    before = pool.run(version, fails=False)
    await pool.end(before)
    failing = pool.run(version, fails=True)
    failed = await pool.end(failing)
    assert isinstance(failed, messages.Failed) and said in failed.reason
    assert "before" in pool.logs(failing) and "predict.py" in failed.traceback
    after = pool.run(version, fails=False)
    await pool.end(after)
    assert pool.output(after) == pool.output(before)


async def test_a_run_may_do_what_it_likes_with_its_files_and_nothing_is_left_of_them(
    pool, tmp_path
):
    source = """
        import os
        class Predictor(BasePredictor):
            def predict(self, one: Path, many: list[Path], opened: File) -> list[str]:
                with one.open("a") as file:
                    file.write(" and changed")
                (one.parent / "beside.txt").write_text("beside")
                os.remove(many[0])
                return [one.read_text(), many[1].read_text(), opened.read().decode(), str(one)]
    """
    stored = tmp_path / "uploads" / "a.txt"
    stored.parent.mkdir()
    stored.write_text("stored")
    file = str(stored)
    found, _ = await output(pool, source, one=file, many=[file, file], opened=file)
    *texts, place = found
    assert texts == ["stored and changed", "stored", "stored"] and place.endswith("/a.txt")
    assert stored.read_text() == "stored" and os.listdir(stored.parent) == ["a.txt"]
    assert not os.path.exists(place)
