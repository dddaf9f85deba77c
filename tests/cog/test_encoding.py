"""What models return → JSON, with files handed to who knows where they go."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import io
import json
import pathlib
import tempfile
import uuid
from collections import OrderedDict

import numpy
import pydantic
import pydantic.v1
import pytest

from cog import BaseModel, Path, Secret
from cog.encoding import encode


class Mood(enum.Enum):
    CALM = "calm"


class Level(enum.IntEnum):
    LOW = 1


class Answer(BaseModel):
    text: str
    picture: Path


class Checked(pydantic.BaseModel):
    text: str
    picture: pathlib.Path


class FirstGeneration(pydantic.v1.BaseModel):
    text: str
    picture: Path


class OfOurTypes(pydantic.BaseModel):
    picture: Path


@dataclasses.dataclass
class Plain:
    n: int


def saved(file):
    return {"file": getattr(file, "name", "unnamed")}


PICTURE = {"file": "a.png"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (5, 5),
        (0.5, 0.5),
        ("text", "text"),
        (Mood.CALM, "calm"),
        (Level.LOW, 1),
        ([Mood.CALM, (1, 2)], ["calm", [1, 2]]),
        ({3}, [3]),
        (frozenset([3]), [3]),
        ((n for n in range(3)), [0, 1, 2]),
        ({"a": {"b": [Mood.CALM]}}, {"a": {"b": ["calm"]}}),
        (OrderedDict(a=1), {"a": 1}),
        ({1: "a", Mood.CALM: "b"}, {"1": "a", "calm": "b"}),
        (datetime.datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (Secret("shown in clear"), "shown in clear"),
        (Plain(1), {"n": 1}),
        (Path("folder/a.png"), PICTURE),
        (pathlib.Path("a.png"), PICTURE),
        ([Path("a.png"), Path("a.png")], [PICTURE, PICTURE]),
        (io.BytesIO(b"x"), {"file": "unnamed"}),
        (Answer("a", Path("a.png")), {"text": "a", "picture": PICTURE}),
        (Checked(text="a", picture=pathlib.Path("a.png")), {"text": "a", "picture": PICTURE}),
        (FirstGeneration(text="a", picture=Path("a.png")), {"text": "a", "picture": PICTURE}),
        (OfOurTypes(picture="a.png"), {"picture": PICTURE}),
        ({numpy.int64(1): "a"}, {"1": "a"}),
        (datetime.timedelta(seconds=1.5), 1.5),
        ([decimal.Decimal("1.50"), decimal.Decimal("2.0")], [1.5, 2]),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (numpy.float32(0.5), 0.5),
        (numpy.float64(0.5), 0.5),
        (numpy.int64(5), 5),
        (numpy.bool_(True), True),
        (numpy.str_("text"), "text"),
        (numpy.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    ],
)
def test_values_become_json(value, expected):
    found = encode(value, saved)
    assert found == expected and json.dumps(found) == json.dumps(expected)
    assert type(found) is type(expected)


def test_an_opened_file_is_a_file(tmp_path):
    with tempfile.NamedTemporaryFile() as temporary, (tmp_path / "a").open("w") as opened:
        assert encode([temporary, opened], saved) == [
            {"file": temporary.name},
            {"file": opened.name},
        ]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), numpy.float32("nan")])
def test_numbers_that_json_lacks_are_refused_where_they_sit(number):
    with pytest.raises(ValueError, match=r"in the output\['scores'\]\[1\]; JSON has no such"):
        encode({"scores": [1.0, number]}, saved)


@pytest.mark.parametrize("value", [2**63, -(2**2000), "half \ud83d a character"])
def test_what_cannot_be_sent_is_refused_where_it_sits(value):
    with pytest.raises(ValueError, match=r"in the output\['a'\]"):
        encode({"a": value}, saved)
    with pytest.raises(ValueError, match="half a character"):
        encode({"half \ud83d": 1}, saved)
    assert encode("日本語 🙂", saved) == "日本語 🙂"


def test_what_is_nested_without_end_is_refused():
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="more than 100 levels deep"):
        encode(endless, saved)


@pytest.mark.parametrize("value", [object(), b"bytes", print, Plain])
def test_what_cannot_be_json_is_refused_where_it_sits(value):
    with pytest.raises(TypeError, match=r"The model returned an? \w+ in the output\[0\], which"):
        encode([value], saved)


def test_keys_that_are_no_text_are_refused():
    with pytest.raises(TypeError, match="with a tuple as a key"):
        encode({(1, 2): 3}, saved)
