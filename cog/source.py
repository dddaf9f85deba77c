"""A runner's source → its OpenAPI document, without importing or running anything of the model: for
those whose packages are not installed yet.

What the source only names (a default that is computed, choices that are looked up) is left out of
the document, never guessed.
"""

from __future__ import annotations

import ast
import contextlib
import enum
import inspect
import types
import typing
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_origin

from cog.loading import DEFAULT_NAMES, METHODS, refuse_overlap
from cog.schema import document
from cog.signature import SignatureError, strip
from cog.source_values import (
    BUILTINS,
    MODULES,
    PlainClass,
    PydanticModel,
    Somewhere,
    Unknown,
    read,
    read_annotation,
)
from cog.types import BaseModel

Function = ast.FunctionDef | ast.AsyncFunctionDef
_KINDS = inspect.Parameter


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
    return document(run, None if train is None else _runner(Path(folder), train, ("train",)))


def _runner(
    folder: Path, target: str, default_names: tuple[str, ...] = DEFAULT_NAMES
) -> Callable[..., Any]:
    """A function that is never called, with the signature that the source writes."""
    file, _, name = target.partition(":")
    module = _Module(folder, folder / file)
    names = (name,) if name else default_names
    found = next((each for each in names if each in module.nodes), None)
    if found is None:
        raise SignatureError(
            f"{file} has no {' or '.join(names)}; cog.yaml must name what is there."
        )
    methods = METHODS if default_names == DEFAULT_NAMES else default_names
    scope, function, is_method = _function(module, module.nodes[found], found, methods)
    return _stub(scope, function, is_method)


def _function(
    scope: _Scope, node: Any, name: str, methods: tuple[str, ...]
) -> tuple[_Scope, Function, bool]:
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
        is_static = any(_dotted(one) == "staticmethod" for one in method.decorator_list)
        return each, method, not is_static
    raise SignatureError(f"{name} has neither {' nor '.join(f'{each}()' for each in methods)}.")


def _followed(scope: _Scope, node: Any) -> tuple[_Scope, Any]:
    """Behind other names for it (`ready = Own()`, an import from beside)."""
    for _ in range(20):
        if isinstance(node, ast.Call):
            node = node.func
        if isinstance(node, ast.Name):
            owner = scope.owner(node.id)
            scope, node = (owner, owner.nodes[node.id]) if owner else (scope, None)
        elif isinstance(node, _Imported):
            module = node.module()
            known = module is not None and node.name in module.nodes
            scope, node = (module, module.nodes[node.name]) if module and known else (scope, None)
        else:
            break
    return scope, node


def _lineage(scope: _Scope, node: ast.ClassDef) -> Iterator[_Scope]:
    """The bodies of a class and of those in the folder that it inherits from."""
    yield _Scope(node.body, scope.module, scope)
    for base in node.bases:
        where, found = _followed(scope, base)
        if isinstance(found, ast.ClassDef) and found is not node:
            yield from _lineage(where, found)


def _method(body: _Scope, name: str) -> Function | None:
    node = body.nodes.get(name)
    return node if isinstance(node, Function) else None


def _stub(scope: _Scope, function: Function, is_method: bool) -> Callable[..., Any]:
    def stub() -> None: ...

    parameters = list(_parameters(scope, function.args))[is_method:]
    stub.__name__ = stub.__qualname__ = function.name
    stub.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    stub.__annotations__ = {
        each.name: each.annotation for each in parameters if each.annotation is not each.empty
    }
    if function.returns is not None:
        stub.__annotations__["return"] = _type(scope, function.returns, "what it returns")
    gives = get_origin(strip(stub.__annotations__.get("return")))
    gives_async = isinstance(gives, type) and issubclass(gives, AsyncIterator)
    is_async = isinstance(function, ast.AsyncFunctionDef) or gives_async
    stub.__cog_async__ = is_async  # type: ignore[attr-defined]
    for decorator in function.decorator_list:
        name = _dotted(decorator).rpartition(".")[2]
        if name == "streaming":
            stub.__cog_streaming__ = True  # type: ignore[attr-defined]
        elif name == "concurrent" and isinstance(decorator, ast.Call):
            for each in (*decorator.args, *(word.value for word in decorator.keywords)):
                stub.__cog_concurrency__ = scope.value_of(each, 1)  # type: ignore[attr-defined]
    return stub


def _parameters(scope: _Scope, given: ast.arguments) -> Iterator[inspect.Parameter]:
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + [*given.defaults]
    kinds: list[Any] = [_KINDS.POSITIONAL_ONLY] * len(given.posonlyargs)
    kinds += [_KINDS.POSITIONAL_OR_KEYWORD] * len(given.args)
    for argument, kind, default in zip(plain, kinds, defaults, strict=True):
        yield _parameter(scope, argument, kind, default)
    if given.vararg:
        yield _parameter(scope, given.vararg, _KINDS.VAR_POSITIONAL)
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield _parameter(scope, argument, _KINDS.KEYWORD_ONLY, default)
    if given.kwarg:
        yield _parameter(scope, given.kwarg, _KINDS.VAR_KEYWORD)


def _parameter(
    scope: _Scope, argument: ast.arg, kind: Any, default: ast.expr | None = None
) -> inspect.Parameter:
    annotation = inspect.Parameter.empty
    if argument.annotation is not None:
        annotation = _type(scope, argument.annotation, f"the type of {argument.arg!r}")
    value = inspect.Parameter.empty
    if default is not None:
        value = scope.value_of(default, Somewhere())
    return inspect.Parameter(argument.arg, kind, annotation=annotation, default=value)


def _type(scope: _Scope, node: ast.expr, what: str) -> Any:
    try:
        return read_annotation(node, scope)
    except Unknown:
        raise SignatureError(
            f"{scope.module.path.name}, line {node.lineno}: {what} is {ast.unparse(node)}, which "
            "only an import could tell."
        ) from None
    except (TypeError, KeyError, SyntaxError) as error:
        place = f"{scope.module.path.name}, line {node.lineno}"
        raise SignatureError(f"{place}: {what}: {error}") from None


def _dotted(node: ast.expr) -> str:
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)


class _Imported:
    """A name that comes from another module."""

    def __init__(self, importer: _Module, module: str, level: int, name: str) -> None:
        self._importer = importer
        self._module = module
        self._level = level
        self.name = name

    def module(self) -> _Module | None:
        return self._importer.beside(self._module, self._level)

    def value(self) -> Any:
        known = MODULES.get(self._module)
        if known is not None and hasattr(known, self.name):
            return getattr(known, self.name)
        if f"{self._module}.{self.name}" in MODULES:
            return MODULES[f"{self._module}.{self.name}"]
        module = self.module()
        if module is None:
            raise Unknown
        return module.value_in_module(self.name)


class _Scope:
    """The names of a module or of a class's body, each worked out when it is asked for."""

    def __init__(self, body: Iterable[ast.stmt], module: Any, outer: _Scope | None) -> None:
        self.module = module
        self.nodes: dict[str, Any] = {}
        self._outer = outer
        self._values: dict[str, Any] = {}
        self._collect(body)

    def owner(self, name: str) -> _Scope | None:
        if name in self.nodes:
            return self
        return self._outer.owner(name) if self._outer else None

    def value(self, name: str) -> Any:
        if name not in self.nodes:
            if self._outer is not None:
                return self._outer.value(name)
            if name in BUILTINS:
                return BUILTINS[name]
            raise Unknown
        if name not in self._values:
            self._values[name] = Unknown  # asked for again while it is worked out
            self._values[name] = self._worked_out(name, self.nodes[name])
        if self._values[name] is Unknown:
            raise Unknown
        return self._values[name]

    def known(self) -> Iterator[tuple[str, Any]]:
        """The names that are bound to what can be read, but no special ones."""
        for name, node in self.nodes.items():
            if isinstance(node, ast.expr) and not name.startswith("__"):
                with contextlib.suppress(Unknown):
                    yield name, self.value(name)

    def value_of(self, node: ast.expr, otherwise: Any) -> Any:
        """The value of an expression, or `otherwise` where only running it would tell."""
        try:
            return read(node, self)
        except Unknown:
            return otherwise
        except Exception as error:
            place = f"{self.module.path.name}, line {node.lineno}"
            raise SignatureError(f"{place}: {type(error).__name__}: {error}") from None

    def _worked_out(self, name: str, node: Any) -> Any:
        try:
            if isinstance(node, _Imported):
                return node.value()
            if isinstance(node, ast.ClassDef):
                return _class(self, node)
            if isinstance(node, ast.expr):
                try:
                    return read(node, self)
                except Unknown:
                    return read_annotation(node, self)
        except (Unknown, TypeError, ValueError, LookupError, ArithmeticError, AttributeError):
            return Unknown
        is_module = isinstance(node, _Module | types.ModuleType | types.SimpleNamespace)
        return node if is_module else Unknown

    def _collect(self, body: Iterable[ast.stmt]) -> None:
        """Of what is written twice, under an `if` or a `try`, the first that can be read stays."""
        for statement in body:
            match statement:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    self.nodes[name] = statement
                case ast.ClassDef(name=name):
                    self.nodes[name] = statement
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self.nodes[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    self.nodes[name] = value
                case ast.AugAssign(target=ast.Name(id=name)):
                    self.nodes[name] = None
                case ast.Import(names=aliases):
                    for alias in aliases:
                        bound = alias.asname or alias.name.partition(".")[0]
                        whole = alias.name if alias.asname else bound
                        known = MODULES.get(whole)
                        self.nodes[bound] = known or self.module.beside(whole, 0)
                case ast.ImportFrom(module=module, names=aliases, level=level):
                    for alias in aliases:
                        self._import(module or "", level, alias)
                case (
                    ast.If(body=inner, orelse=other) | ast.Try(body=inner, handlers=_, orelse=other)
                ):
                    self._collect(inner)
                    self._collect(each for each in other if _binds_new(each, self.nodes))

    def _import(self, module: str, level: int, alias: ast.alias) -> None:
        if alias.name != "*":
            imported = _Imported(self.module, module, level, alias.name)
            self.nodes[alias.asname or alias.name] = imported
        elif module in MODULES:
            for name in getattr(MODULES[module], "__all__", ()):
                self.nodes[name] = _Imported(self.module, module, level, name)
        elif beside := self.module.beside(module, level):
            for name in beside.nodes:
                self.nodes[name] = _Imported(self.module, module, level, name)


def _binds_new(statement: ast.stmt, known: dict[str, Any]) -> bool:
    name = getattr(statement, "name", None)
    return name is None or name not in known


class _Module(_Scope):
    """A file of the model."""

    def __init__(self, folder: Path, path: Path, others: dict[Path, _Module] | None = None) -> None:
        self.path = path
        self._folder = folder
        self._others = {} if others is None else others
        self._others[path] = self
        super().__init__(ast.parse(path.read_bytes(), str(path)).body, self, None)

    def value_in_module(self, name: str) -> Any:
        """What an attribute of the module is. Raises `Unknown`."""
        if name not in self.nodes:
            raise Unknown
        return self.value(name)

    def beside(self, name: str, level: int) -> _Module | None:
        """Another file of the model, by the name under which this one imports it."""
        above = self.path.parents[level - 1] if level else None
        for root in [above] if above else [self.path.parent, self._folder]:
            place = root.joinpath(*name.split(".")) if name else root
            for path in (place.with_suffix(".py"), place / "__init__.py"):
                if path.is_file() and path.resolve().is_relative_to(self._folder.resolve()):
                    return self._others.get(path) or _Module(self._folder, path, self._others)
        return None


# --- classes that inputs and outputs are made of


def _class(scope: _Scope, node: ast.ClassDef) -> Any:
    bases = []
    for base in node.bases:
        try:
            bases.append(read(base, scope))
        except Unknown:
            continue
    kinds = [base for base in bases if isinstance(base, type)]
    body = _Scope(node.body, scope.module, scope)
    fields = {
        each.target.id: each
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    if typing.TypedDict in bases or any(hasattr(base, "__total__") for base in kinds):
        return _typed_dict(node, kinds, body, fields)
    if any(issubclass(kind, enum.Enum) for kind in kinds):
        return _enumeration(node, body)
    if any(issubclass(kind, PydanticModel) for kind in kinds):
        return _pydantic(node, kinds, body, fields)
    if any(issubclass(kind, BaseModel) for kind in kinds):
        return _base_model(node, kinds, body, fields)
    # Some models keep the inputs that several of their classes share as attributes of one.
    return type(node.name, (PlainClass,), dict(body.known()))


def _typed_dict(node: ast.ClassDef, kinds: list[type], body: _Scope, fields: dict[str, Any]) -> Any:
    hints = {name: read_annotation(each.annotation, body) for name, each in fields.items()}
    total = next((word.value for word in node.keywords if word.arg == "total"), None)
    is_total = total is None or bool(body.value_of(total, True))
    own = tuple(kind for kind in kinds if hasattr(kind, "__total__"))
    bases: tuple[Any, ...] = own or (typing.TypedDict,)
    inside = {"__annotations__": hints, "__module__": __name__}
    return types.new_class(node.name, bases, {"total": is_total}, lambda n: n.update(inside))


def _enumeration(node: ast.ClassDef, body: _Scope) -> Any:
    members = [
        (each.targets[0].id, read(each.value, body))
        for each in node.body
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)
    ]
    if not members:
        raise Unknown
    return enum.Enum(node.name, members)


def _pydantic(node: ast.ClassDef, kinds: list[type], body: _Scope, fields: dict[str, Any]) -> type:
    described = {name: f for kind in kinds for name, f in getattr(kind, "model_fields", {}).items()}
    for name, each in fields.items():
        needed = each.value is None or _says_required(each.value)
        described[name] = types.SimpleNamespace(
            annotation=read_annotation(each.annotation, body),
            is_required=lambda needed=needed: needed,
        )
    return type(node.name, (PydanticModel,), {"model_fields": described})


def _says_required(value: ast.expr) -> bool:
    """Whether pydantic's `Field(…)` stands there without a default."""
    if not isinstance(value, ast.Call) or _dotted(value).rpartition(".")[2] != "Field":
        return isinstance(value, ast.Constant) and value.value is ...
    words = {word.arg for word in value.keywords}
    if value.args:
        return isinstance(value.args[0], ast.Constant) and value.args[0].value is ...
    return not words & {"default", "default_factory"}


def _base_model(
    node: ast.ClassDef, kinds: list[type], body: _Scope, fields: dict[str, Any]
) -> type:
    inside: dict[str, Any] = {
        "__module__": __name__,
        "__annotations__": {
            name: read_annotation(each.annotation, body) for name, each in fields.items()
        },
    }
    for name, each in fields.items():
        if each.value is not None:
            inside[name] = body.value_of(each.value, Somewhere())
    own = tuple(kind for kind in kinds if issubclass(kind, BaseModel))
    return types.new_class(node.name, own, exec_body=lambda names: names.update(inside))
