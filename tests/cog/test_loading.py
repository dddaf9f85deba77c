"""From a file to something to call: every form of a runner."""

from __future__ import annotations

import asyncio
import pickle
import sys

import pytest

from cog.loading import load_trainer
from cog.signature import SignatureError

HEAD = "from cog import *\nfrom typing import *\n"


def called(runner, **inputs):
    return runner.call(**runner.arguments(inputs))


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("predict.py:Predictor", """
            from cog import BasePredictor
            class Predictor(BasePredictor):
                def predict(self, text: str) -> str: return text + "!"
        """),
        ("run.py:Runner", """
            from cog import BaseRunner
            class Runner(BaseRunner):
                def run(self, text: str) -> str: return text + "!"
        """),
        ("predict.py:Own", """
            class Own:
                def predict(self, text: str) -> str: return text + "!"
        """),
        ("predict.py:shout", """
            def shout(text: str) -> str: return text + "!"
        """),
        ("predict.py:Called", """
            class Called:
                def __call__(self, text: str) -> str: return text + "!"
        """),
        ("predict.py:ready", """
            class Own:
                def run(self, text: str) -> str: return text + "!"
            ready = Own()
        """),
        ("predict.py", """
            class Predictor:
                def predict(self, text: str) -> str: return "the other one"
            class Runner:
                def run(self, text: str) -> str: return text + "!"
        """),
        ("predict.py", """
            class Predictor:
                def predict(self, text: str) -> str: return text + "!"
        """),
        ("predict.py:Heir", """
            class Parent:
                def predict(self, text: str) -> str: return text + self.mark
            class Heir(Parent):
                def setup(self): self.mark = "!"
        """),
        ("predict.py:Wrapped", """
            import functools
            def unchanged(function):
                @functools.wraps(function)
                def wrapper(*arguments, **options): return function(*arguments, **options)
                return wrapper
            class Wrapped:
                @unchanged
                def predict(self, text: str) -> str: return text + "!"
        """),
        ("predict.py:Static", """
            class Static:
                @staticmethod
                def predict(text: str) -> str: return text + "!"
        """),
        ("src/deep/predict.py:Predictor", """
            class Predictor:
                def predict(self, text: str) -> str: return text + "!"
        """),
    ],
)  # fmt: skip
def test_every_form_of_a_runner_is_found_and_called(loaded, target, text):
    runner = loaded(text, target)
    runner.setup()
    assert (runner.is_async, runner.is_iterator, runner.concurrency) == (False, False, 1)
    assert called(runner, text="hello") == "hello!"


def test_modules_beside_the_target_and_in_the_model_folder_can_be_imported(loaded):
    runner = loaded(
        """
        import beside, above.inner
        def run(n: int) -> int: return n + beside.ONE + above.inner.TEN
        """,
        "src/predict.py:run",
        src__beside="ONE = 1",
        above__inner="TEN = 10",
    )
    assert called(runner, n=100) == 111


def test_what_a_model_pickles_is_found_again(loaded):
    runner = loaded("class Kept: pass\ndef run(n: int) -> dict: return Kept()", "predict.py:run")
    kept = called(runner, n=1)
    assert type(pickle.loads(pickle.dumps(kept))) is type(kept)
    assert sys.modules["predict"].Kept is type(kept)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Predictor: pass", "Predictor has neither run.. nor predict.."),
        ("import cog\nclass Predictor(cog.BasePredictor): pass", "neither run.. nor predict.."),
        (
            "class Predictor:\n def run(self): pass\n def predict(self): pass",
            "Predictor has both run.. and predict..; keep one",
        ),
        (
            "class Old:\n def predict(self): pass\nclass Predictor(Old):\n def run(self): pass",
            "has both",
        ),
        ("class Other: pass", "predict.py has no Predictor"),
        (
            "class Predictor:\n async def setup(self): pass\n def predict(self) -> str: pass",
            "setup.. is async, but predict.. is not",
        ),
    ],
)
def test_what_cannot_be_called_is_refused(loaded, text, message):
    with pytest.raises(SignatureError, match=message):
        loaded(text)


def test_what_the_models_code_raises_comes_through(loaded):
    with pytest.raises(ZeroDivisionError):
        loaded("1 / 0")


# --- setup


def test_setup_without_parameters_gets_none(loaded):
    runner = loaded("""
        class Predictor:
            def setup(self): self.ready = "set up"
            def predict(self) -> str: return self.ready
    """)
    runner.setup("somewhere")
    assert called(runner) == "set up"


WITH_WEIGHTS = """
    class Predictor:
        def setup(self, weights=None): self.weights = weights
        def predict(self) -> str: return self.weights
"""


def test_setup_that_asks_for_weights_gets_those_that_are_given(loaded, monkeypatch):
    runner = loaded(WITH_WEIGHTS)
    runner.setup()
    assert called(runner) is None
    monkeypatch.setenv("COG_WEIGHTS", "https://example.org/w.tar")
    runner.setup()
    assert called(runner) == "https://example.org/w.tar"
    runner.setup("/given")
    assert called(runner) == "/given"


def test_a_runner_may_have_no_setup(loaded):
    assert loaded("def run(n: int) -> int: return n", "predict.py:run").setup() is None


def test_an_async_setup_is_handed_out_to_be_awaited(loaded):
    runner = loaded("""
        class Predictor:
            async def setup(self): self.ready = True
            async def predict(self) -> bool: return self.ready
    """)
    asyncio.run(runner.setup())
    assert asyncio.run(called(runner)) is True


# --- what a call gives


@pytest.mark.parametrize(
    ("text", "is_async", "is_iterator"),
    [
        ("def run() -> str: return 'a'", False, False),
        ("def run() -> Iterator[str]: yield 'a'", False, True),
        ("def run() -> ConcatenateIterator[str]: return iter('a')", False, True),
        ("async def run() -> str: return 'a'", True, False),
        ("async def run() -> AsyncIterator[str]: yield 'a'", True, True),
        (
            "async def pieces(): yield 'a'\n"
            "def run() -> AsyncConcatenateIterator[str]: return pieces()",
            True,
            True,
        ),
    ],
)
def test_a_call_gives_what_the_runner_says(loaded, text, is_async, is_iterator):
    runner = loaded(HEAD + text, "predict.py:run")
    assert (runner.is_async, runner.is_iterator) == (is_async, is_iterator)

    async def collected(result):
        if is_iterator:
            return [piece async for piece in result]
        return await result

    result = called(runner)
    if is_async:
        assert asyncio.run(collected(result)) == (["a"] if is_iterator else "a")
    else:
        assert (list(result) if is_iterator else result) == (["a"] if is_iterator else "a")


# --- concurrency

DECORATED = "from cog import concurrent\n@concurrent(max=3)\nasync def run() -> str: return ''"


def test_concurrency_is_the_variables_then_the_folders_then_the_decorators(loaded, monkeypatch):
    target = "predict.py:run"
    assert loaded("async def run() -> str: return ''", target).concurrency == 1
    assert loaded(DECORATED, target).concurrency == 3
    assert loaded(DECORATED, target, 5).concurrency == 5
    monkeypatch.setenv("COG_MAX_CONCURRENCY", "7")
    assert loaded(DECORATED, target, 5).concurrency == 7
    assert loaded("def run() -> str: return ''", target).concurrency == 1


def test_only_async_runners_may_declare_concurrency(loaded):
    with pytest.raises(SignatureError, match="run.. declares 3 runs at once, but is not async"):
        loaded(DECORATED.replace("async ", ""), "predict.py:run")
    with pytest.raises(SignatureError, match="declares 2 runs"):
        loaded("def run() -> str: return ''", "predict.py:run", 2)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("train.py:teach", "def teach(n: int) -> str: return n * 2"),
        ("train.py", "def train(n: int) -> str: return n * 2"),
        ("train.py:Trainer", """
            class Trainer:
                def setup(self, weights): self.factor = 2
                def train(self, n: int) -> str: return n * self.factor
        """),
    ],
)  # fmt: skip
def test_what_trains_is_a_function_or_a_class_with_train(loaded, write, target, text):
    loaded("class Predictor:\n    def predict(self) -> str: ...")
    trainer = load_trainer(str(write(train=text)), target)
    trainer.setup()
    assert called(trainer, n=3) == 6


def test_a_class_that_cannot_train_is_refused(loaded, write):
    loaded("class Predictor:\n    def predict(self) -> str: ...")
    with pytest.raises(SignatureError, match=r"Trainer has no train\(\)"):
        load_trainer(str(write(train="class Trainer: ...")), "train.py:Trainer")
