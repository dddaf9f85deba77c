"""The types that models are written with, and the places where old models look for them."""

from __future__ import annotations

import importlib
import pathlib
import pickle

import pytest

import cog
from cog import BaseModel, Path


class Answer(BaseModel):
    text: str
    score: float | None
    tags: tuple[str, ...] = ()


class Longer(Answer):
    words: int = 0


def test_a_base_model_is_built_by_position_or_name():
    assert Answer("a", 1.0) == Answer(text="a", score=1.0) == Answer("a", score=1.0, tags=())


def test_what_a_base_model_lacks_or_has_not_is_refused():
    with pytest.raises(TypeError, match="text"):
        Answer(score=1.0)
    with pytest.raises(TypeError, match="other"):
        Answer("a", 1.0, other=2)


class AsPydanticHadIt(BaseModel):
    file: Path | None
    text: str
    later: Later | None
    scores: list[float] = [1.0]
    count: int
    note: str | None


class Later(BaseModel):
    word: str


def test_a_base_model_takes_what_pydantics_took():
    left_out = AsPydanticHadIt(text="a", count=1)
    assert left_out == AsPydanticHadIt(None, "a", None, [1.0], count=1, note=None)
    left_out.scores.append(2.0)
    assert AsPydanticHadIt(text="a", count=1).scores == [1.0]
    with pytest.raises(TypeError, match="count"):
        AsPydanticHadIt(text="a")


def test_a_base_model_may_have_its_own_init():
    class Own(BaseModel):
        text: str
        note: str | None

        def __init__(self, text):
            self.text, self.note = text, "own"

    assert Own("a").note == "own"


def test_a_base_model_checks_nothing():
    assert Answer(text=5, score="high").text == 5


def test_a_base_models_heir_has_the_fields_of_both():
    assert Longer("a", None, words=3) == Longer("a", None, (), 3)
    assert isinstance(Longer("a", None), Answer)


def test_a_base_model_takes_the_options_of_a_dataclass():
    class Frozen(BaseModel, frozen=True):
        text: str

    with pytest.raises(AttributeError):
        Frozen("a").text = "b"


def test_a_path_stays_a_path_of_cogs_own():
    path = Path("/tmp") / "folder" / "a.txt"
    derived = [path, path.parent, path.with_suffix(".png"), Path(pathlib.Path("x")), Path.cwd()]
    assert {type(each) for each in derived} == {Path}
    assert path == pathlib.Path("/tmp/folder/a.txt") and isinstance(path, pathlib.Path)
    assert pickle.loads(pickle.dumps(path)) == path


@pytest.mark.parametrize("name", cog.__all__)
def test_every_public_name_is_there(name):
    assert getattr(cog, name) is not None


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("cog.types", "ExperimentalFeatureWarning"),
        ("cog.types", "Weights"),
        ("cog.exceptions", "CancelationException"),
        ("cog.server.exceptions", "CancelationException"),
        ("cog.server.scope", "current_scope"),
        ("cog.server.scope", "emit_metric"),
        ("cog.files", "Path"),
        ("cog.predictor", "BasePredictor"),
        ("cog.input", "Input"),
        ("cog.model", "BaseModel"),
        ("cog.coder", "Coder"),
    ],
)
def test_names_are_also_where_old_models_import_them(module, name):
    found = getattr(importlib.import_module(module), name)
    assert found is getattr(cog, name, found)


def test_a_cancelation_passes_by_handlers_of_ordinary_errors():
    assert not issubclass(cog.CancelationException, Exception)


def test_a_base_model_may_be_a_dataclass_of_its_own_making():
    class Own(BaseModel, auto_dataclass=False):
        def __init__(self, text: str) -> None:
            self.text = text

    assert Own("a").text == "a"


def test_marks_are_written_with_and_without_parentheses():
    async def run() -> str: ...

    for mark in (cog.streaming, cog.streaming(), cog.concurrent, cog.concurrent(max=2)):
        assert mark(run) is run
    assert run.__cog_concurrency__ == 2 and run.__cog_streaming__
    for wrong in (0, True, "2"):
        with pytest.raises(ValueError, match="whole number"):
            cog.concurrent(max=wrong)
    with pytest.raises(TypeError, match="max=4"):
        cog.concurrent(4)


def test_a_coder_that_is_registered_is_found_for_its_type(monkeypatch):
    from cog.coder import Coder

    class Angle(Coder):
        @staticmethod
        def factory(type):
            return Angle() if type is complex else None

        def encode(self, value):
            return {"real": value.real, "imaginary": value.imag}

    monkeypatch.setattr(Coder, "_registered", [])
    Coder.register(Angle)
    Coder.register(Angle)
    assert Coder.lookup(complex).encode(1j) == {"real": 0.0, "imaginary": 1.0}
    assert Coder.lookup(str) is None and len(Coder._registered) == 1
