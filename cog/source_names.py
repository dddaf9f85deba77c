"""What the names in a model's source stand for, in its modules and in the bodies of its classes,
and those classes as the schema knows them. Nothing of the model is imported or run.
"""

from __future__ import annotations

import ast
import contextlib
import enum
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cog.signature import SignatureError
from cog.source_allowed import BUILTINS, MODULES, PlainClass, PydanticModel, Unknown
from cog.source_values import Somewhere, read, read_annotation
from cog.types import BaseModel


class Scope:
    """The names of a module or of a class's body, each worked out when it is asked for."""

    def __init__(self, body: Iterable[ast.stmt], module: Module, outer: Scope | None) -> None:
        self.module = module
        self.nodes: dict[str, Any] = {}
        self._outer = outer
        self._values: dict[str, Any] = {}
        self._collect(body)

    def owner(self, name: str) -> Scope | None:
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
            self._values[name] = self._worked_out(self.nodes[name])
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
            shown = f"{type(error).__name__}: {error}"
            raise SignatureError(f"{self.place(node)}: {shown}") from None

    def place(self, node: ast.expr) -> str:
        """Where that is written, for who has to change it."""
        return f"{self.module.path.name}, line {node.lineno}"

    def _worked_out(self, node: Any) -> Any:
        try:
            if isinstance(node, Imported):
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
        is_module = isinstance(node, Module | types.ModuleType | types.SimpleNamespace)
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
                    # `predict = wrapped(predict)` decorates what it is written for.
                    if not (_is_written_out(self.nodes.get(name)) and name in _mentioned(value)):
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
                case ast.If(body=inner, orelse=other) | ast.Try(body=inner, orelse=other):
                    self._collect(inner)
                    self._collect(each for each in other if _binds_new(each, self.nodes))

    def _import(self, module: str, level: int, alias: ast.alias) -> None:
        if alias.name != "*":
            imported = Imported(self.module, module, level, alias.name)
            self.nodes[alias.asname or alias.name] = imported
        elif module in MODULES:
            for name in getattr(MODULES[module], "__all__", ()):
                self.nodes[name] = Imported(self.module, module, level, name)
        elif beside := self.module.beside(module, level):
            for name in beside.nodes:
                self.nodes[name] = Imported(self.module, module, level, name)


def _is_written_out(node: Any) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def _mentioned(node: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _binds_new(statement: ast.stmt, known: dict[str, Any]) -> bool:
    name = getattr(statement, "name", None)
    return name is None or name not in known


class Module(Scope):
    """A file of the model."""

    def __init__(self, folder: Path, path: Path, others: dict[Path, Module] | None = None) -> None:
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

    def beside(self, name: str, level: int) -> Module | None:
        """Another file of the model, by the name under which this one imports it."""
        above = self.path.parents[level - 1] if level else None
        for root in [above] if above else [self.path.parent, self._folder]:
            place = root.joinpath(*name.split(".")) if name else root
            for path in (place.with_suffix(".py"), place / "__init__.py"):
                if path.is_file() and path.resolve().is_relative_to(self._folder.resolve()):
                    return self._others.get(path) or Module(self._folder, path, self._others)
        return None


class Imported:
    """A name that comes from another module."""

    def __init__(self, importer: Module, module: str, level: int, name: str) -> None:
        self._importer = importer
        self._module = module
        self._level = level
        self.name = name

    def module(self) -> Module | None:
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


def dotted(node: ast.expr) -> str:
    """A name as it is written, of what is called where that is a call."""
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)


# --- classes that inputs and outputs are made of


def _class(scope: Scope, node: ast.ClassDef) -> Any:
    bases = []
    for base in node.bases:
        try:
            bases.append(read(base, scope))
        except Unknown:
            continue
    kinds = [base for base in bases if isinstance(base, type)]
    body = Scope(node.body, scope.module, scope)
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
    is_dataclass = any(dotted(each).endswith("dataclass") for each in node.decorator_list)
    if is_dataclass or any(issubclass(kind, BaseModel) for kind in kinds):
        return _base_model(node, kinds, body, fields)
    # Some models keep the inputs that several of their classes share as attributes of one.
    return type(node.name, (PlainClass,), dict(body.known()))


def _typed_dict(node: ast.ClassDef, kinds: list[type], body: Scope, fields: dict[str, Any]) -> Any:
    hints = {name: read_annotation(each.annotation, body) for name, each in fields.items()}
    total = next((word.value for word in node.keywords if word.arg == "total"), None)
    is_total = total is None or bool(body.value_of(total, True))
    own = tuple(kind for kind in kinds if hasattr(kind, "__total__"))
    bases: tuple[Any, ...] = own or (typing.TypedDict,)
    inside = {"__annotations__": hints, "__module__": __name__}
    return types.new_class(node.name, bases, {"total": is_total}, lambda n: n.update(inside))


def _enumeration(node: ast.ClassDef, body: Scope) -> Any:
    members = [
        (each.targets[0].id, read(each.value, body))
        for each in node.body
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)
    ]
    if not members:
        raise Unknown
    return enum.Enum(node.name, members)


def _pydantic(node: ast.ClassDef, kinds: list[type], body: Scope, fields: dict[str, Any]) -> type:
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
    if not isinstance(value, ast.Call) or dotted(value).rpartition(".")[2] != "Field":
        return isinstance(value, ast.Constant) and value.value is ...
    words = {word.arg for word in value.keywords}
    if value.args:
        return isinstance(value.args[0], ast.Constant) and value.args[0].value is ...
    return not words & {"default", "default_factory"}


def _base_model(node: ast.ClassDef, kinds: list[type], body: Scope, fields: dict[str, Any]) -> type:
    inside: dict[str, Any] = {
        "__module__": __name__,
        "__annotations__": {
            name: read_annotation(each.annotation, body) for name, each in fields.items()
        },
    }
    for name, each in fields.items():
        if each.value is not None:
            inside[name] = body.value_of(each.value, Somewhere())
    own = tuple(kind for kind in kinds if issubclass(kind, BaseModel)) or (BaseModel,)
    return types.new_class(node.name, own, exec_body=lambda names: names.update(inside))
