"""A runner's source → its OpenAPI document, without importing or running anything of the model: for
those whose packages are not installed yet.

What the source only names (a default that is computed, choices that are looked up) is left out of
the document, never guessed.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, get_origin

import cog
from cog.loading import DEFAULT_NAMES, METHODS, refuse_overlap
from cog.schema import document
from cog.signature import SignatureError, strip
from cog.source_allowed import Unknown
from cog.source_names import Imported, Module, Scope, dotted
from cog.source_values import Somewhere, calls, read_annotation, read_words

Function = ast.FunctionDef | ast.AsyncFunctionDef


def read_document(
    folder: str, target: str, concurrency: int | None = None, train: str | None = None
) -> dict[str, Any]:
    """The document of `target` (`path/to/file.py:Name`) of the model in `folder`.

    Raises `SignatureError` for a signature that cannot be served or that only an import could tell,
    `SyntaxError`, `OSError`.
    """
    run = _runner(Path(folder), target)
    declared = concurrency or int(getattr(run, "__cog_concurrency__", 1))
    if declared > 1 and not getattr(run, "__cog_async__", False):
        raise refuse_overlap(run.__name__, declared)
    trains = ("train",)
    return document(run, None if train is None else _runner(Path(folder), train, trains, trains))


def _runner(
    folder: Path,
    target: str,
    default_names: tuple[str, ...] = DEFAULT_NAMES,
    methods: tuple[str, ...] = METHODS,
) -> Callable[..., Any]:
    """A function that is never called, with the signature that the source writes."""
    file, _, name = target.partition(":")
    module = Module(folder, folder / file)
    names = (name,) if name else default_names
    found = next((each for each in names if each in module.nodes), None)
    if found is None:
        raise SignatureError(
            f"{file} has no {' or '.join(names)}; cog.yaml must name what is there."
        )
    scope, function, is_method = _function(module, module.nodes[found], found, methods)
    return _stub(scope, function, is_method)


def _function(
    scope: Scope, node: Any, name: str, methods: tuple[str, ...]
) -> tuple[Scope, Function, bool]:
    """Where a function is written, the function, and whether it gets `self`."""
    scope, node = _followed(scope, node)
    if isinstance(node, Function):
        return scope, node, False
    if not isinstance(node, ast.ClassDef):
        raise SignatureError(f"What {name} is, only an import could tell.")
    classes = list(_lineage(scope, node))
    own = [(each, _method(each, method)) for method in methods for each in classes]
    found = {method.name: (each, method) for each, method in reversed(own) if method is not None}
    if len(found) == 2:
        raise SignatureError(f"{name} has both run() and predict(); keep one.")
    called = [(each, _method(each, "__call__")) for each in classes]
    for each, method in (*found.values(), *called):
        if method is None:
            continue
        is_static = any(dotted(one) == "staticmethod" for one in method.decorator_list)
        return each, method, not is_static
    raise SignatureError(f"{name} has neither {' nor '.join(f'{each}()' for each in methods)}.")


def _followed(scope: Scope, node: Any) -> tuple[Scope, Any]:
    """Behind other names for it (`ready = Own()`, an import from beside)."""
    for _ in range(20):
        if isinstance(node, ast.Call):
            node = node.func
        if isinstance(node, ast.Name):
            owner = scope.owner(node.id)
            scope, node = (owner, owner.nodes[node.id]) if owner else (scope, None)
        elif isinstance(node, Imported):
            module = node.module()
            known = module is not None and node.name in module.nodes
            scope, node = (module, module.nodes[node.name]) if module and known else (scope, None)
        else:
            break
    return scope, node


def _lineage(scope: Scope, node: ast.ClassDef) -> Iterator[Scope]:
    """The bodies of a class and of those in the folder that it inherits from."""
    yield Scope(node.body, scope.module, scope)
    for base in node.bases:
        where, found = _followed(scope, base)
        if isinstance(found, ast.ClassDef) and found is not node:
            yield from _lineage(where, found)


def _method(body: Scope, name: str) -> Function | None:
    node = body.nodes.get(name)
    return node if isinstance(node, Function) else None


def _stub(scope: Scope, function: Function, is_method: bool) -> Callable[..., Any]:
    def stub() -> None: ...

    parameters = list(_parameters(scope, function.args))[is_method:]
    stub.__name__ = stub.__qualname__ = function.name
    stub.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    stub.__annotations__ = {
        each.name: each.annotation for each in parameters if each.annotation is not each.empty
    }
    if function.returns is not None:
        stub.__annotations__["return"] = _type(scope, function.returns, "what it returns")
    _declare_inputs(stub, scope, function)
    gives = get_origin(strip(stub.__annotations__.get("return")))
    gives_async = isinstance(gives, type) and issubclass(gives, AsyncIterator)
    is_async = isinstance(function, ast.AsyncFunctionDef) or gives_async
    stub.__cog_async__ = is_async  # type: ignore[attr-defined]
    for decorator in function.decorator_list:
        name = dotted(decorator).rpartition(".")[2]
        if name == "streaming":
            stub.__cog_streaming__ = True  # type: ignore[attr-defined]
        elif name == "concurrent" and isinstance(decorator, ast.Call):
            for each in (*decorator.args, *(word.value for word in decorator.keywords)):
                stub.__cog_concurrency__ = scope.value_of(each, 1)  # type: ignore[attr-defined]
    return stub


def _declare_inputs(stub: Callable[..., Any], scope: Scope, function: Function) -> None:
    """As `cog.input` does where it decorates the function."""
    for decorator in reversed(function.decorator_list):
        if not calls(decorator, scope, cog.input):
            continue
        words = read_words(decorator, scope, ["name", "type", "default"])
        if not {"name", "type"} <= words.keys():
            written = ast.unparse(decorator)
            raise SignatureError(
                f"{scope.place(decorator)}: what {written} declares, only an import could tell."
            )
        cog.input(**words)(stub)
        if function.returns is None and any(isinstance(e, ast.Yield) for e in ast.walk(function)):
            stub.__annotations__["return"] = Iterator[Any]


def _parameters(scope: Scope, given: ast.arguments) -> Iterator[inspect.Parameter]:
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + [*given.defaults]
    kinds: list[Any] = [inspect.Parameter.POSITIONAL_ONLY] * len(given.posonlyargs)
    kinds += [inspect.Parameter.POSITIONAL_OR_KEYWORD] * len(given.args)
    for argument, kind, default in zip(plain, kinds, defaults, strict=True):
        yield _parameter(scope, argument, kind, default)
    if given.vararg:
        yield _parameter(scope, given.vararg, inspect.Parameter.VAR_POSITIONAL)
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield _parameter(scope, argument, inspect.Parameter.KEYWORD_ONLY, default)
    if given.kwarg:
        yield _parameter(scope, given.kwarg, inspect.Parameter.VAR_KEYWORD)


def _parameter(
    scope: Scope, argument: ast.arg, kind: Any, default: ast.expr | None = None
) -> inspect.Parameter:
    annotation = inspect.Parameter.empty
    if argument.annotation is not None:
        annotation = _type(scope, argument.annotation, f"the type of {argument.arg!r}")
    value = inspect.Parameter.empty
    if default is not None:
        value = scope.value_of(default, Somewhere())
    return inspect.Parameter(argument.arg, kind, annotation=annotation, default=value)


def _type(scope: Scope, node: ast.expr, what: str) -> Any:
    try:
        return read_annotation(node, scope)
    except Unknown:
        written = ast.unparse(node)
        raise SignatureError(
            f"{scope.place(node)}: {what} is {written}, which only an import could tell."
        ) from None
    except (TypeError, KeyError, SyntaxError) as error:
        raise SignatureError(f"{scope.place(node)}: {what}: {error}") from None
