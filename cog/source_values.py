"""What an expression of a model's source stands for, found without running any of it.

Only what cannot have effects is worked out: literals, their arithmetic, names that the source gives
to such values, types, and the few calls of which signatures are made. All else is `Unknown`.
"""

from __future__ import annotations

import ast
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeGuard

from cog import source_allowed as allowed
from cog.source_allowed import Unknown
from cog.types import Input


class Somewhere:
    """In place of a default that only running the model would tell: there is one, and no JSON of
    it.
    """


class Names(Protocol):
    """What gives names their values. Raises `Unknown`."""

    def value(self, name: str) -> Any: ...


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
    """What `Input(…)` gives."""
    return Input(**read_words(call, names, ["default"]))


def read_words(call: ast.Call, names: Names, positional: list[str]) -> dict[str, Any]:
    """The arguments of a call that describes an input. What cannot be known of them is left out,
    but for a default: there is one.
    """
    given: dict[str, Any] = {}
    in_order = dict(zip(positional, call.args, strict=False))
    for name, node in [*in_order.items(), *((word.arg, word.value) for word in call.keywords)]:
        try:
            value = read(node, names)
        except Unknown:
            if name == "default":
                given[name] = Somewhere()
            continue
        if name == "default" or not _is_partly_known(value):
            given |= value if name is None else {name: value}
    return given


def calls(node: ast.expr, names: Names, function: Any) -> TypeGuard[ast.Call]:
    """Whether it is a call of that function."""
    if not isinstance(node, ast.Call):
        return False
    try:
        return read(node.func, names) is function
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


def _attribute(node: ast.Attribute, names: Names) -> Any:
    return allowed.attribute(read(node.value, names), node.attr)


def _call(node: ast.Call, names: Names) -> Any:
    if calls(node, names, Input):
        return read_input(node, names)
    if any(word.arg is None for word in node.keywords):
        raise Unknown
    if isinstance(node.func, ast.Attribute):
        called = allowed.method(read(node.func.value, names), node.func.attr)
    else:
        called = allowed.function(read(node.func, names))
    arguments = [read(each, names) for each in node.args]
    options = {word.arg: read(word.value, names) for word in node.keywords if word.arg}
    return allowed.small(called(*arguments, **options))


def _binary(node: ast.BinOp, names: Names) -> Any:
    return allowed.binary(node.op, read(node.left, names), read(node.right, names))


def _unary(node: ast.UnaryOp, names: Names) -> Any:
    operation = allowed.UNARY.get(type(node.op))
    if operation is None:
        raise Unknown
    return operation(read(node.operand, names))


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
    for item in allowed.small(list(read(loop.iter, names))):
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
