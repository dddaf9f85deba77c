"""What signatures are annotated with, and what the schema says of some of it."""

# ruff: noqa: UP045 (models out there write types in the old way too)

# No `from __future__ import annotations` here: both spellings of annotations are tested.
import enum
from typing import Optional, TypedDict

import pydantic
import pydantic.v1

from cog import BaseModel, Path
from cog.schema import document

FILE = {"type": "string", "format": "uri"}
SECRET = {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True}
OBJECT = {"type": "object"}


class Mood(enum.Enum):
    CALM = "calm"
    LIVELY = "lively"


class Point(TypedDict):
    x: int


class Boxes(BaseModel):
    label: str
    score: Optional[float]
    crop: Path
    rest: int = 3


class Nested(BaseModel):
    best: Boxes
    all: list[Boxes]


class Checked(pydantic.BaseModel):
    text: str
    score: Optional[float] = None


def schemas(function):
    return document(function)["components"]["schemas"]
