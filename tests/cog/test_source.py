"""A model's source, read without importing it: the same document as an import gives, as far as the
source says it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from cog.loading import load
from cog.signature import SignatureError
from cog.source import read_document

MODELS = Path(__file__).parents[1] / "models"


@pytest.fixture
def read(write):
    """The inputs and outputs of `text`, read as predict.py."""

    def read(text, target="predict.py:run", concurrency=None, **files):
        folder = write(predict=text, **files)
        train = "train.py:train" if "train" in files else None
        return read_document(str(folder), target, concurrency, train)["components"]["schemas"]

    return read


def property_of(schemas, name):
    return schemas["Input"]["properties"][name]


@pytest.mark.parametrize("folder", sorted(MODELS.iterdir()), ids=lambda folder: folder.name)
def test_reading_gives_what_importing_gives(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    config = yaml.safe_load((folder / "cog.yaml").read_text())
    target = config.get("run") or config.get("predict")
    concurrency = config.get("concurrency", {}).get("max")
    before = set(sys.modules)
    try:
        imported = load(str(folder), target, concurrency).document()
    finally:
        for name in set(sys.modules) - before:
            del sys.modules[name]
    assert read_document(str(folder), target, concurrency) == imported


def test_nothing_of_the_model_is_run_or_imported(read, tmp_path):
    found = read(
        f"""
        import nowhere, os
        from elsewhere import Model
        open({str(tmp_path / "ran")!r}, "w")
        raise SystemExit
        def run(
            text: str,
            n: int = os.system("touch {tmp_path / "ran"}"),
            m: int = __import__("os").getpid(),
            k: int = (lambda: 5)(),
            j: int = open.__class__,
        ) -> str: ...
        """
    )
    assert found["Input"]["required"] == ["text"]
    assert not (tmp_path / "ran").exists()


def test_a_default_that_is_computed_is_the_runners_own(read):
    found = read(
        """
        import torch
        def run(
            device: str = torch.device_name(),
            size: int = Input(default=torch.SIZE, ge=torch.LEAST, le=9, description="A size"),
            kind: str = Input(choices=torch.KINDS),
        ) -> str: ...
        from cog import Input
        """
    )
    assert "default" not in property_of(found, "device")
    assert property_of(found, "size") == {
        "type": "integer", "title": "Size", "description": "A size", "maximum": 9, "x-order": 1,
    }  # fmt: skip
    assert property_of(found, "kind") == {"type": "string", "title": "Kind", "x-order": 2}
    assert found["Input"]["required"] == ["kind"]


def test_names_lead_through_the_models_own_files(read):
    found = read(
        """
        from beside import SIZES, Answer as Reply
        from deep.inner import *
        import beside
        import absent
        class Predictor(Base):
            WORDS = ["one", "two"]
        def run(a: str = Input(choices=list(SIZES)), b: int = beside.SIZES["l"],
                c: Mood = Mood.CALM) -> Reply: ...
        from cog import Input
        """,
        beside="""
        import torch
        from cog import BaseModel
        SIZES = {"s": 1, "l": 2, "unknown": torch.size()}
        class Answer(BaseModel):
            text: str
            score: float = torch.score()
        """,
        deep__inner="""
        import enum
        class Mood(str, enum.Enum):
            CALM = "calm"
        """,
    )
    assert found["a"]["enum"] == ["s", "l", "unknown"]
    assert property_of(found, "b")["default"] == 2
    assert property_of(found, "c")["default"] == "calm"
    assert found["Output"]["required"] == ["text"]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("predict.py:Predictor", """
            class Base:
                def predict(self, text: str) -> str: ...
            class Predictor(Base, torch.nn.Module):
                def setup(self): ...
        """),
        ("predict.py:Predictor", """
            from beside import Base
            class Predictor(Base): ...
        """),
        ("predict.py:Predictor", "from beside import Base as Predictor"),
        ("predict.py", "class Runner:\n    def run(self, text: str) -> str: ..."),
        ("predict.py:ready", "class A:\n    def run(this, text: str) -> str: ...\nready = A()"),
        ("predict.py:A", "class A:\n    @staticmethod\n    def run(text: str) -> str: ..."),
        ("predict.py:A", "class A:\n    def __call__(self, text: str) -> str: ..."),
        ("predict.py:run", """
            try:
                import fast
                def run(text: str) -> str: ...
            except ImportError:
                def run(other: int) -> str: ...
        """),
        ("predict.py:run", "if True:\n    def run(text: 'str') -> 'str': ..."),
    ],
)  # fmt: skip
def test_every_form_of_a_runner_is_found(read, target, text):
    found = read(text, target, beside="class Base:\n def predict(self, text: str) -> str: ...")
    assert found["Input"]["required"] == ["text"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run = build()", "What run is, only an import could tell"),
        ("import torch\ndef run(x: torch.Tensor) -> str: ...", "line 2: the type of 'x' is torch."),
        ("def run(x: int) -> Unseen: ...", "line 1: what it returns is Unseen"),
        ("class run: ...", "run has neither run.. nor predict"),
        ("class run:\n def run(s): ...\n def predict(s): ...", "run has both"),
        ("other = 1", "predict.py has no run; cog.yaml must name"),
        ("from cog import Input\ndef run(x: int = Input(minimum=1)) -> str: ...", "line 2: TypeEr"),
        ("def run(x: int = 1 // 0) -> str: ...", "line 1: ZeroDivisionError"),
        ("def run(x: int[str]) -> str: ...", "line 1: the type of 'x': "),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(read, text, said):
    with pytest.raises(SignatureError, match=said):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "N = N\ndef run(n: int = N) -> str: ...",
        "A = B\nB = A\ndef run(n: int = A) -> str: ...",
        "def run(n: int = 9 ** 9 ** 9) -> str: ...",
        "def run(n: int = 1 << 10 ** 9) -> str: ...",
        "def run(n: str = 'a' * 10 ** 9) -> str: ...",
        "def run(n: str = 10 ** 9 * 'a') -> str: ...",
        "def run(n: list[int] = list(range(10 ** 12))) -> str: ...",
        "def run(n: int = len([a for a in range(9999) for b in range(10 ** 9)])) -> str: ...",
        "from predict import *\ndef run(n: int = run) -> str: ...",
    ],
)
def test_no_source_can_keep_its_reader_busy(read, text):
    assert "default" not in property_of(read(text), "n")


def test_classes_with_fields_inherit_them(read):
    found = read(
        """
        import pydantic, typing
        from cog import BaseModel
        class Said(typing.TypedDict):
            text: str
        class Line(Said, total=False):
            words: list[str]
        class Checked(pydantic.BaseModel):
            line: Line
            score: float = pydantic.Field(ge=0)
        class More(Checked):
            note: str = pydantic.Field(default="")
        class Answer(BaseModel):
            more: More
        class Longer(Answer):
            count: int = 1
        def run(text: str) -> Longer: ...
        """
    )
    more = found["Output"]["properties"]["more"]
    assert found["Output"]["required"] == ["more"]
    assert more["required"] == ["line", "score"] and "note" in more["properties"]
    assert more["properties"]["line"]["required"] == ["text"]


def test_streaming_and_concurrency_are_read(read, write):
    text = """
    import cog
    from cog import *
    class Predictor:
        @cog.streaming
        @concurrent(max=3)
        async def predict(self, text: str) -> AsyncConcatenateIterator[str]: ...
    """
    folder = write(predict=text)
    found = read_document(str(folder), "predict.py:Predictor")
    assert found["paths"]["/predictions"]["post"]["x-cog-streaming"] is True
    with pytest.raises(SignatureError, match=r"predict\(\) declares 3 runs at once"):
        read(text.replace("async def", "def").replace("AsyncC", "C"), "predict.py:Predictor")
    with pytest.raises(SignatureError, match=r"run\(\) declares 2 runs at once"):
        read("def run(text: str) -> str: ...", concurrency=2)


def test_a_training_is_read_too(read):
    trainer = """
    from cog import BaseModel, Path
    class TrainingOutput(BaseModel):
        weights: Path
    def train(data: Path, steps: int = 10) -> TrainingOutput: ...
    """
    text = "def run(text: str) -> str: ..."
    found = read(text, train=trainer)
    assert found["TrainingInput"]["required"] == ["data"]
    assert found["TrainingOutput"]["required"] == ["weights"]


def test_a_source_that_python_cannot_read_names_its_line(read):
    with pytest.raises(SyntaxError) as caught:
        read("x = 1\ndef run(text: str -> str: ...")
    assert caught.value.lineno == 2


def test_inputs_that_several_runners_share_are_read_from_the_class_that_keeps_them(read):
    found = read(
        """
        from cog import Input

        class Inputs:
            __slots__ = ()
            prompt = Input(description="What to draw.")
            ratio: str = Input(default="1:1", choices=["1:1", "16:9"])
            HIGHEST = 4

        def run(
            prompt: str = Inputs.prompt,
            ratio: str = Inputs.ratio,
            steps: int = Input(default=2, ge=1, le=Inputs.HIGHEST),
        ) -> str: ...
        """
    )
    assert found["Input"]["required"] == ["prompt"]
    assert property_of(found, "prompt")["description"] == "What to draw."
    assert found["ratio"]["enum"] == ["1:1", "16:9"]
    assert property_of(found, "steps")["maximum"] == 4


def test_what_wraps_a_function_under_its_own_name_decorates_it(read):
    found = read(
        """
        import functools, os

        class Predictor:
            def predict(self, prompt: str, top_k: int = 50) -> str: ...

            def without(function, names): ...

            if os.environ.get("SHORT"):
                predict = without(predict, ["top_k"])

        Predictor = functools.cache(Predictor)
        """,
        target="predict.py:Predictor",
    )
    assert list(found["Input"]["properties"]) == ["prompt", "top_k"]
