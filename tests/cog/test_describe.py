"""`python -m cog.describe`, as the registry calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests" / "models"


def describe(folder, target, *options, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "cog.describe", str(folder), target, *options],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_only_the_document_is_printed():
    done = describe(MODELS / "every-input", "predict.py:Predictor")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)["components"]["schemas"]
    assert len(found["Input"]["properties"]) == 24
    assert found["Input"]["required"] == ["prompt"]


def test_noise_on_import_goes_to_stderr(write):
    folder = write(
        predict="""
        import os, sys
        print("printed by Python")
        os.system("echo printed by a child")
        os.write(1, b"written past Python")
        def run(text: str) -> str: return text
    """
    )
    done = describe(folder, "predict.py:run")
    assert done.returncode == 0 and json.loads(done.stdout)["openapi"] == "3.0.2"
    for noise in ("printed by Python", "printed by a child", "written past Python"):
        assert noise in done.stderr


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n\nraise RuntimeError('first\\nsecond')", "predict.py, line 3: RuntimeError: first"),
        ("import nowhere", "predict.py, line 1: ModuleNotFoundError: No module named 'nowhere'"),
        ("x = 1\ndef run(text: str -> str: pass", "predict.py, line 2: SyntaxError: "),
        ("import beside", "beside.py, line 2: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "predict.py, line 1: SystemExit: 3"),
        ("from cog import Input\nInput(minimum=3)", "predict.py, line 2: TypeError: "),
        ("def run(text) -> str: pass", "predict.py:run: The parameter 'text' has no type."),
        ("import cog\ndef run(n: int = cog.Input(le=1e999)) -> str: pass", "ValueError: "),
    ],
)  # fmt: skip
def test_a_failure_is_one_line_that_names_the_place(write, text, line):
    done = describe(write(predict=text, beside="\n1 / 0"), "predict.py:run")
    lacks_something = "ModuleNotFoundError" in line
    assert (done.returncode, done.stdout) == (2 if lacks_something else 1, "")
    assert done.stderr.count("\n") == 1 and done.stderr.startswith(line)


def test_the_model_runs_in_its_own_folder_and_finds_its_own_modules_only(write):
    folder = write(
        model__predict="""
        import os
        FOLDER = os.path.basename(os.getcwd())
        try: import model_registry
        except ImportError: FOLDER += ", alone"
        def run(folder: str = FOLDER) -> str: return folder
    """
    )
    done = describe("model", "predict.py:run", cwd=folder)
    described = json.loads(done.stdout)["components"]["schemas"]["Input"]["properties"]
    assert described["folder"]["default"] == "model, alone"


def test_a_model_that_parses_its_command_line_finds_it_empty(write):
    folder = write(
        predict="""
        import argparse
        argparse.ArgumentParser().parse_args()
        def run(text: str) -> str: return text
    """
    )
    assert describe(folder, "predict.py:run").returncode == 0


def test_a_training_is_described_too(write):
    folder = write(
        predict="def run(text: str) -> str: return text",
        train="def train(steps: int) -> str: return ''",
    )
    done = describe(folder, "predict.py:run", "--train", "train.py:train")
    found = json.loads(done.stdout)["components"]["schemas"]
    assert found["TrainingInput"]["required"] == ["steps"]


def test_concurrency_is_checked(write):
    folder = write(predict="def run(text: str) -> str: return text")
    done = describe(folder, "predict.py:run", "--concurrency", "4")
    assert (done.returncode, done.stdout) == (1, "")
    assert "declares 4 runs at once, but is not async" in done.stderr


def test_threads_and_exit_handlers_of_the_import_do_not_keep_it_alive(write):
    folder = write(
        predict="""
        import atexit, threading
        threading.Thread(target=threading.Event().wait).start()
        atexit.register(threading.Event().wait)
        def run(text: str) -> str: return text
    """
    )
    assert describe(folder, "predict.py:run").returncode == 0


def test_from_source_nothing_is_imported(write):
    folder = write(predict="import nowhere\ndef run(text: str) -> str: return text")
    done = describe(folder, "predict.py:run", "--from", "source")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["components"]["schemas"]["Input"]["required"] == ["text"]
    folder = write(predict="x = 1\ndef run(text: str -> str: pass")
    done = describe(folder, "predict.py:run", "--from", "source")
    assert done.returncode == 1 and done.stderr.startswith("predict.py, line 2: SyntaxError: ")
