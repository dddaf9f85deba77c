"""The types and markers that a model's signature is written with."""

from __future__ import annotations

import copy
import inspect
import io
import os
import pathlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import partial, wraps
from typing import Any, TypeVar, get_args, get_type_hints

T = TypeVar("T")


class _Unset:
    """Tells `Input()` from `Input(default=None)`."""

    def __repr__(self) -> str:
        return "<unset>"

    def __bool__(self) -> bool:
        return False


UNSET = _Unset()


@dataclass
class FieldInfo:
    """What `Input(…)` says about one input. `default` is `UNSET` where none was given."""

    default: Any = UNSET
    description: str | None = None
    ge: float | None = None
    le: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    regex: str | None = None
    choices: list[Any] | None = None
    deprecated: bool | None = None
    accept: str | None = None


def Input(
    default: Any = UNSET,
    *,
    default_factory: Any = None,
    description: str | None = None,
    ge: float | None = None,
    le: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    regex: str | None = None,
    choices: list[Any] | None = None,
    deprecated: bool | None = None,
    accept: str | None = None,
) -> Any:
    """Describes one input of a model; stands where the parameter's default would."""
    if default_factory is not None:
        raise TypeError("Input(default_factory=…) is not supported. Give default= a value.")
    return FieldInfo(
        default=default,
        description=description,
        ge=ge,
        le=le,
        min_length=min_length,
        max_length=max_length,
        regex=regex,
        choices=None if choices is None else list(choices),
        deprecated=deprecated,
        accept=accept,
    )


class Path(pathlib.PosixPath if os.name == "posix" else pathlib.WindowsPath):  # type: ignore[misc]
    """A file, taken or made by a model: a local path on the model's side, a URL outside."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """So that it may be a field of a model of pydantic's: whatever is given is made a path."""
        return {"type": "function-plain", "function": {"type": "no-info", "function": cls}}


class URLPath(Path):
    """A path that came from a URL. Here files are always local by the time a model runs."""


class File(io.IOBase):
    """A file-like input; deprecated in favour of `Path`. What the model receives is opened for
    reading.
    """


class URLFile(File):
    """A file-like input that came from a URL."""


class Secret:
    """Text that is never shown: `str()` and `repr()` are masked."""

    def __init__(self, value: str | Secret | None = None) -> None:
        self._value: str | None = value._value if isinstance(value, Secret) else value

    def get_secret_value(self) -> str | None:
        return self._value

    def __repr__(self) -> str:
        return "Secret(**********)"

    def __str__(self) -> str:
        return "" if self._value is None else "**********"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class ConcatenateIterator(Iterator[T]):
    """Yields pieces of one text, to be joined with nothing between them."""


class AsyncConcatenateIterator(AsyncIterator[T]):
    """As `ConcatenateIterator`, for `async` models."""


class Opaque:
    """`Annotated[T, Opaque]`: any JSON object, whatever T looks like."""


class InvalidInput(ValueError):
    """Atelier's own: what a model raises about an input that no schema could rule out. The person
    reads its sentence; no traceback is kept, because nothing broke.
    """


class CancelationException(BaseException):
    """Raised inside a running `predict` when the prediction is canceled. Must not be swallowed."""


class ExperimentalFeatureWarning(Warning):
    """Kept for models that filter it."""


class BaseModel:
    """An output with named fields. Each subclass becomes a dataclass, `options` are its own:
    nothing is validated. With `auto_dataclass=False` it is left as it is written.

    What the earlier `BaseModel`, of pydantic, took is taken too: a field that may be None and is
    left out is None, a default may be a list, and what has none may follow what has one.
    """

    def __init_subclass__(cls, auto_dataclass: bool = True, **options: Any) -> None:
        super().__init_subclass__()
        if not auto_dataclass:
            return
        own_init = "__init__" in cls.__dict__
        _take_any_default(cls)
        dataclass(cls, **options)
        if not own_init and "__init__" in cls.__dict__:
            _fill_in_none(cls)


def _take_any_default(cls: type) -> None:
    """Writes the fields as a dataclass wants them."""
    defaulted = is_dataclass(cls) and not all(map(_is_bare, fields(cls)))
    for name, annotation in inspect.get_annotations(cls).items():
        if "ClassVar" in str(annotation):
            continue
        default = cls.__dict__.get(name, MISSING)
        if isinstance(default, list | dict | set):
            setattr(cls, name, field(default_factory=partial(copy.deepcopy, default)))
        elif default is MISSING and defaulted:
            setattr(cls, name, field(kw_only=True))
        defaulted = defaulted or default is not MISSING


def _fill_in_none(cls: Any) -> None:
    init = cls.__init__

    @wraps(init)
    def filled(self: Any, *arguments: Any, **named: Any) -> None:
        in_order = [each.name for each in fields(cls) if each.init and not each.kw_only]
        given = {*in_order[: len(arguments)], *named}
        missing = [each.name for each in fields(cls) if each.name not in given and _is_bare(each)]
        # Not before: a type may be written before its name is there.
        hints = get_type_hints(cls) if missing else {}
        named |= {name: None for name in missing if type(None) in get_args(hints[name])}
        init(self, *arguments, **named)

    cls.__init__ = filled


def _is_bare(field: Field[Any]) -> bool:
    """Without a default of its own."""
    return field.init and field.default is MISSING and field.default_factory is MISSING


class Weights(str):
    """An old alias for the weights parameter of `setup`."""
