"""What may be used where a model's source is read instead of run: what has no effects, and results
that do not grow too large.
"""

from __future__ import annotations

import ast
import builtins
import collections.abc
import enum
import math
import operator
import os
import pathlib
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import cog
from cog.types import Path, Secret


class Unknown(Exception):
    """Only running the model would tell."""


class PydanticModel:
    """In place of pydantic's class of that name."""


class PlainClass:
    """A class of the model's that makes neither inputs nor outputs: its attributes may be read."""


_LARGEST = 1 << 16
"""Bits of a number, items of a sequence: more is nobody's default."""

_TYPES = ("str", "int", "float", "bool", "bytes", "list", "dict", "set", "tuple", "object", "type")
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(builtins, name)
    for name in ("list", "tuple", "set", "dict", "str", "int", "float", "bool", "len", "range",
                 "sorted", "min", "max", "sum", "abs", "round")
}  # fmt: skip
BUILTINS: Mapping[str, Any] = {
    **_FUNCTIONS,
    **{name: getattr(builtins, name) for name in _TYPES},
    "None": None,
}
_METHODS: Mapping[Any, tuple[str, ...]] = {
    str: ("join", "lower", "upper", "title", "strip", "split", "replace", "format"),
    dict: ("keys", "values", "items", "get", "copy"),
    list: ("copy", "index"),
}
_CALLED: tuple[Any, ...] = (*_FUNCTIONS.values(), Secret, Path, pathlib.Path)

_typing = types.SimpleNamespace(**{**vars(typing), "__all__": typing.__all__})
_pydantic = types.SimpleNamespace(BaseModel=PydanticModel, __all__=["BaseModel"])
MODULES: Mapping[str, Any] = {
    "cog": cog,
    "cog.types": cog,
    "cog.files": cog,
    "cog.input": cog,
    "cog.model": cog,
    "cog.predictor": cog,
    "typing": _typing,
    "typing_extensions": _typing,
    "collections.abc": collections.abc,
    "collections": types.SimpleNamespace(abc=collections.abc),
    "pathlib": pathlib,
    "enum": enum,
    "os": types.SimpleNamespace(PathLike=os.PathLike),
    "math": types.SimpleNamespace(pi=math.pi, e=math.e, tau=math.tau, inf=math.inf, nan=math.nan),
    "sys": types.SimpleNamespace(maxsize=sys.maxsize),
    "pydantic": _pydantic,
}

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.BitOr: operator.or_,
}
UNARY: dict[type, Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}


def attribute(owner: Any, name: str) -> Any:
    """What a value may be asked for by name. Raises `Unknown`."""
    if hasattr(owner, "value_in_module"):
        return owner.value_in_module(name)
    is_known = any(owner is each for each in MODULES.values())
    is_member = isinstance(owner, enum.Enum) and name in ("value", "name")
    is_enum = isinstance(owner, type) and issubclass(owner, enum.Enum)
    is_plain = isinstance(owner, type) and issubclass(owner, PlainClass)
    may_be_asked = (
        is_known
        or is_member
        or (is_enum and name in owner.__members__)
        or (is_plain and name in vars(owner) and not name.startswith("__"))
    )
    if not may_be_asked or not hasattr(owner, name):
        raise Unknown
    return getattr(owner, name)


def method(owner: Any, name: str) -> Callable[..., Any]:
    """A method that may be called. Raises `Unknown`."""
    if name not in _METHODS.get(type(owner), ()):
        raise Unknown
    found: Callable[..., Any] = getattr(owner, name)
    return found


def function(found: Any) -> Callable[..., Any]:
    """What was found, if it may be called. Raises `Unknown`."""
    if not any(found is each for each in _CALLED):
        raise Unknown
    called: Callable[..., Any] = found
    return called


def binary(operation: ast.operator, left: Any, right: Any) -> Any:
    """The result of an operation on two values. Raises `Unknown`."""
    allowed = _BINARY.get(type(operation))
    if allowed is None or _grows_too_large(operation, left, right):
        raise Unknown
    return small(allowed(left, right))


def _grows_too_large(operator: ast.operator, left: Any, right: Any) -> bool:
    match operator:
        case ast.Pow():
            return isinstance(right, int) and _size(left) * abs(right) > _LARGEST
        case ast.LShift():
            return isinstance(right, int) and right > _LARGEST
        case ast.Mult():
            times = left if isinstance(left, int) else right if isinstance(right, int) else 1
            return _is_sequence(left, right) and max(_size(left), _size(right)) * times > _LARGEST
    return False


def _is_sequence(*values: Any) -> bool:
    return any(isinstance(value, str | list | tuple) for value in values)


def _size(value: Any) -> int:
    if isinstance(value, int):
        return value.bit_length()
    return len(value) if isinstance(value, str | list | tuple | range) else 0


def small(value: Any) -> Any:
    """The value, if it has not grown too large. Raises `Unknown`."""
    if _size(value) > _LARGEST:
        raise Unknown
    return value
