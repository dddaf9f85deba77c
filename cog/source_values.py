"""What an expression of a model's source stands for, found without running any of it.

Only what cannot have effects is worked out: literals, their arithmetic, names that the source gives
to such values, types, and the few calls of which signatures are made. All else is `Unknown`.
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
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import cog
from cog.types import Input, Path, Secret


class Unknown(Exception):
    """Only running the model would tell."""


class Somewhere:
    """In place of a default that only running the model would tell: there is one, and no JSON of
    it.
    """


class Names(Protocol):
    """What gives names their values. Raises `Unknown`."""

    def value(self, name: str) -> Any: ...


class PydanticModel:
    """In place of pydantic's class of that name."""


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
_UNARY: dict[type, Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}


def read(node: ast.expr, names: Names) -> Any:
    """The value of an expression. Raises `Unknown`; what is plainly wrong raises as if it ran."""
    reader = _READERS.get(type(node))
    if reader is None:
        raise Unknown
    return reader(node, names)


def read_annotation(node: ast.expr, names: Names) -> Any:
    """The type that an annotation says; texts in it are annotations again. Raises `Unknown`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return read_annotation(ast.parse(node.value.strip(), mode="eval").body, names)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = read_annotation(node.left, names), read_annotation(node.right, names)
        return typing.Union[left, right]  # noqa: UP007 (of a class written here, `|` knows nothing)
    if not isinstance(node, ast.Subscript):
        return read(node, names)
    outer = read(node.value, names)
    if outer is typing.Literal:
        return outer[read(node.slice, names)]
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if outer is typing.Annotated:
        marks = [_or_somewhere(each, names) for each in inner[1:]]
        return outer[(read_annotation(inner[0], names), *marks)]
    found = tuple(_argument(each, names) for each in inner)
    return outer[found if len(found) > 1 else found[0]]


def read_input(call: ast.Call, names: Names) -> Any:
    """What `Input(…)` gives. What cannot be known of it is left out, but for a default: there is
    one.
    """
    given: dict[str, Any] = {}
    positional = dict(zip(["default"], call.args, strict=False))
    for name, node in [*positional.items(), *((word.arg, word.value) for word in call.keywords)]:
        try:
            value = read(node, names)
        except Unknown:
            if name == "default":
                given[name] = Somewhere()
            continue
        if name == "default" or not _is_partly_known(value):
            given |= value if name is None else {name: value}
    return Input(**given)


def is_input(node: ast.expr, names: Names) -> bool:
    """Whether it is a call of `Input`."""
    if not isinstance(node, ast.Call):
        return False
    try:
        return read(node.func, names) is Input
    except Unknown:
        return False


def _is_partly_known(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(each, Somewhere) for each in value)


def _argument(node: ast.expr, names: Names) -> Any:
    if isinstance(node, ast.List):  # Callable's
        return [read_annotation(each, names) for each in node.elts]
    return read_annotation(node, names)


def _or_somewhere(node: ast.expr, names: Names) -> Any:
    try:
        return read(node, names)
    except Unknown:
        return Somewhere()


class PlainClass:
    """A class of the model's that makes neither inputs nor outputs: its attributes may be read."""


def _attribute(node: ast.Attribute, names: Names) -> Any:
    owner = read(node.value, names)
    if hasattr(owner, "value_in_module"):
        return owner.value_in_module(node.attr)
    is_known = any(owner is each for each in MODULES.values())
    is_member = isinstance(owner, enum.Enum) and node.attr in ("value", "name")
    is_enum = isinstance(owner, type) and issubclass(owner, enum.Enum)
    is_plain = isinstance(owner, type) and issubclass(owner, PlainClass)
    may_be_asked = (
        is_known
        or is_member
        or (is_enum and node.attr in owner.__members__)
        or (is_plain and node.attr in vars(owner) and not node.attr.startswith("__"))
    )
    if not may_be_asked or not hasattr(owner, node.attr):
        raise Unknown
    return getattr(owner, node.attr)


def _call(node: ast.Call, names: Names) -> Any:
    if is_input(node, names):
        return read_input(node, names)
    if any(word.arg is None for word in node.keywords):
        raise Unknown
    if isinstance(node.func, ast.Attribute):
        owner = _or_somewhere(node.func.value, names)
        allowed = _METHODS.get(type(owner), ())
        called = getattr(owner, node.func.attr) if node.func.attr in allowed else None
    else:
        called = read(node.func, names)
        called = called if any(called is each for each in _CALLED) else None
    if called is None:
        raise Unknown
    arguments = [read(each, names) for each in node.args]
    options = {word.arg: read(word.value, names) for word in node.keywords if word.arg}
    return _small(called(*arguments, **options))


def _binary(node: ast.BinOp, names: Names) -> Any:
    operation = _BINARY.get(type(node.op))
    left, right = read(node.left, names), read(node.right, names)
    if operation is None or _grows_too_large(node.op, left, right):
        raise Unknown
    return _small(operation(left, right))


def _unary(node: ast.UnaryOp, names: Names) -> Any:
    if type(node.op) not in _UNARY:
        raise Unknown
    return _UNARY[type(node.op)](read(node.operand, names))


def _formatted(node: ast.JoinedStr, names: Names) -> str:
    parts = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            if part.conversion != -1:
                raise Unknown
            form = str(read(part.format_spec, names)) if part.format_spec else ""
            parts.append(format(read(part.value, names), form))
        else:
            parts.append(str(read(part, names)))
    return "".join(parts)


def _dict(node: ast.Dict, names: Names) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            found |= read(value, names)
        else:
            # Its keys alone may be what matters: as choices they often are.
            found[read(key, names)] = _or_somewhere(value, names)
    return found


def _items(nodes: list[ast.expr], names: Names) -> Iterator[Any]:
    for node in nodes:
        if isinstance(node, ast.Starred):
            yield from read(node.value, names)
        else:
            yield read(node, names)


def _list(node: ast.ListComp | ast.GeneratorExp, names: Names) -> list[Any]:
    return [read(node.elt, inner) for inner in _rounds(node.generators, names)]


def _dict_from_loop(node: ast.DictComp, names: Names) -> dict[Any, Any]:
    return {
        read(node.key, inner): _or_somewhere(node.value, inner)
        for inner in _rounds(node.generators, names)
    }


def _rounds(loops: list[ast.comprehension], names: Names) -> Iterator[Names]:
    """What is bound in each round of a comprehension."""
    if not loops:
        yield names
        return
    loop, *inner = loops
    for item in _small(list(read(loop.iter, names))):
        bound = _Bound(names, _bindings(loop.target, item))
        if all(read(each, bound) for each in loop.ifs):
            yield from _rounds(inner, bound)


def _bindings(target: ast.expr, item: Any) -> dict[str, Any]:
    if isinstance(target, ast.Name):
        return {target.id: item}
    if not isinstance(target, ast.Tuple):
        raise Unknown
    found: dict[str, Any] = {}
    for each, value in zip(target.elts, item, strict=True):
        found |= _bindings(each, value)
    return found


class _Bound:
    """Names, some of them bound by a loop."""

    def __init__(self, names: Names, bound: Mapping[str, Any]) -> None:
        self._names = names
        self._bound = bound

    def value(self, name: str) -> Any:
        return self._bound[name] if name in self._bound else self._names.value(name)


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


def _small(value: Any) -> Any:
    if _size(value) > _LARGEST:
        raise Unknown
    return value


_READERS: dict[type, Callable[[Any, Names], Any]] = {
    ast.Constant: lambda node, names: node.value,
    ast.Name: lambda node, names: names.value(node.id),
    ast.Attribute: _attribute,
    ast.Subscript: lambda node, names: read(node.value, names)[read(node.slice, names)],
    ast.Call: _call,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.JoinedStr: _formatted,
    ast.List: lambda node, names: list(_items(node.elts, names)),
    ast.Tuple: lambda node, names: tuple(_items(node.elts, names)),
    ast.Set: lambda node, names: set(_items(node.elts, names)),
    ast.Dict: _dict,
    ast.ListComp: _list,
    ast.GeneratorExp: _list,
    ast.DictComp: _dict_from_loop,
}
