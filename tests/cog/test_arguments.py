"""JSON inputs → what a runner is called with."""

from __future__ import annotations

import enum
import inspect
import sys

import pytest

from cog import Path, Secret

HEAD = "from cog import *\nfrom typing import *\n"


def called(runner, **inputs):
    return runner.call(**runner.arguments(inputs))


EVERYTHING = (
    HEAD
    + """
import enum, pathlib
class Mood(enum.Enum):
    CALM = "calm"
def run(
    text: str = "t",
    maybe: str | None = None,
    path: Path = None,
    plain_path: Optional[pathlib.Path] = None,
    paths: list[Path] = [],
    opened: File = None,
    token: Secret = None,
    hidden: Secret = Secret("by default"),
    tokens: list[Secret] = [],
    mood: Mood = Mood.CALM,
    moods: list[Mood] = [],
    either: str | int = 1,
    number: float = 1,
    seed: int = Input(default=None),
    options: dict = {"a": 1},
    words: list[str] = ["a"],
    needed: Optional[int] = Input(),
) -> str: return ""
"""
)


@pytest.fixture
def everything(loaded):
    return loaded(EVERYTHING, "predict.py:run")


def test_missing_inputs_have_their_defaults(everything):
    found = everything.arguments({})
    assert found.pop("hidden").get_secret_value() == "by default"
    assert found.pop("mood") is sys.modules["predict"].Mood.CALM
    assert type(found["number"]) is float
    assert found == {
        "text": "t", "maybe": None, "path": None, "plain_path": None, "paths": [], "opened": None,
        "token": None, "tokens": [], "moods": [], "either": 1, "number": 1.0, "seed": None,
        "options": {"a": 1}, "words": ["a"], "needed": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", "https://example.org/a.png"),
        ("maybe", "data:text/plain,hello"),
        ("words", ["https://example.org/a.png"]),
        ("either", "https://example.org/a.png"),
        ("either", 5),
        ("options", {"url": "https://example.org/a.png"}),
    ],
)
def test_a_text_that_holds_an_address_stays_a_text(everything, name, value):
    assert everything.arguments({name: value})[name] == value
    assert type(everything.arguments({name: value})[name]) is type(value)


def test_files_become_paths_or_opened_files(everything, tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("content")
    found = everything.arguments(
        {"path": str(file), "plain_path": str(file), "paths": [str(file)], "opened": str(file)}
    )
    for path in (found["path"], found["plain_path"], *found["paths"]):
        assert type(path) is Path and path.read_text() == "content"
    with found["opened"] as opened:
        assert opened.read() == b"content"


def test_secrets_become_secrets_and_stay_hidden(everything):
    found = everything.arguments({"token": "abc", "tokens": ["d"]})
    for secret, text in ((found["token"], "abc"), (found["tokens"][0], "d")):
        assert isinstance(secret, Secret) and secret.get_secret_value() == text
        assert text not in f"{secret} {secret!r}"
    assert str(Secret()) == "" and Secret().get_secret_value() is None


def test_enum_values_become_members(everything):
    mood = sys.modules["predict"].Mood
    assert issubclass(mood, enum.Enum)
    assert everything.arguments({"mood": "calm", "moods": ["calm"]})["moods"] == [mood.CALM]
    assert everything.arguments({"mood": "calm"})["mood"] is mood.CALM


def test_an_explicit_null_stays_none(everything):
    assert everything.arguments({"path": None, "token": None, "mood": None})["mood"] is None


def test_a_bound_method_has_no_self_among_its_inputs(loaded):
    runner = loaded("class Predictor:\n def predict(self, n: int) -> int: return n")
    assert runner.arguments({"n": 1}) == {"n": 1}
    assert not inspect.iscoroutinefunction(runner.call)


def test_a_default_that_a_run_changes_is_whole_for_the_next_one(loaded):
    runner = loaded(
        """
        def run(seen: dict = {}) -> int:
            seen[len(seen)] = True
            return len(seen)
        """,
        "predict.py:run",
    )
    assert [runner.call(**runner.arguments({})) for _ in range(2)] == [1, 1]
