"""A runner's signature, read once: what each parameter is, may be, and how JSON becomes it."""

from __future__ import annotations

import enum
import inspect
import os
import pathlib
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeGuard, Union, get_args, get_origin

from cog.types import UNSET, FieldInfo, File, Opaque, Path, Secret

SCALARS: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
ALLOWED = (
    "str, int, float, bool, cog.Path, cog.Secret, dict, list[…] of these, Optional[…], "
    "unions of JSON types, Literal[…] and Enum"
)


class SignatureError(TypeError):
    """A signature that cannot become a schema; the message names parameter, type and what is
    allowed.
    """


@dataclass(frozen=True)
class Parameter:
    """One input. `annotation` has neither Optional nor Annotated around it any more.

    `default` is `UNSET` for a required one. `nullable` says that None may be given.
    """

    name: str
    annotation: Any
    info: FieldInfo
    default: Any
    nullable: bool

    @property
    def required(self) -> bool:
        return self.default is UNSET and not (self.nullable and not is_union(self.annotation))

    def value(self, given: Any) -> Any:
        """What the runner receives for a JSON value."""
        return None if given is None else coercion(self.annotation)(given)


def parameters(function: Callable[..., Any]) -> list[Parameter]:
    """The inputs of a runner's function, in order. Raises `SignatureError`."""
    hints, declared = _hints(function), getattr(function, "__cog_inputs__", {})
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self":
            continue
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            raise SignatureError(
                f"The parameter {name!r} is {parameter.kind.description}; "
                "only plain named parameters can be inputs."
            )
        if name not in hints:
            raise SignatureError(f"The parameter {name!r} has no type. Allowed are {ALLOWED}.")
        default = declared.get(name, parameter.default)
        found.append(_parameter(name, hints[name], default))
    return found


def returned(function: Callable[..., Any]) -> Any:
    """The annotation of what a runner returns. Raises `SignatureError` if there is none, but for a
    function whose inputs are declared by `cog.input`.
    """
    annotation = _hints(function).get("return")
    if annotation is None and hasattr(function, "__cog_inputs__"):
        return Iterator[Any] if inspect.isgeneratorfunction(function) else Any
    if annotation is None or annotation is type(None):
        raise SignatureError(
            f"{function.__qualname__} does not say what it returns. Write its type after ->, for "
            "example -> str or -> cog.Path."
        )
    return annotation


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise SignatureError(f"The signature names a type that is not there: {error}.") from None


def _parameter(name: str, annotation: Any, default: Any) -> Parameter:
    if isinstance(default, FieldInfo):
        info = default
    else:
        info = FieldInfo(default=UNSET if default is inspect.Parameter.empty else default)
    annotation, nullable = without_none(strip(annotation))
    default = info.default.value if isinstance(info.default, enum.Enum) else info.default
    if info.accept is not None and not _is_file(annotation):
        raise SignatureError(f"The parameter {name!r} has accept=, which only files can have.")
    if info.regex is not None:
        try:
            re.compile(info.regex)
        except re.error as error:
            raise SignatureError(
                f"The parameter {name!r} has the regex {info.regex!r}, which is none: {error}."
            ) from None
    return Parameter(name, annotation, info, default, nullable or default is None)


def strip(annotation: Any) -> Any:
    """Without `Annotated`, unless it says `Opaque`; `typing.List` alone is `list`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *marks = get_args(annotation)
        return annotation if Opaque in marks else strip(inner)
    return origin if origin in (list, dict) and not get_args(annotation) else annotation


def is_opaque(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated and Opaque in get_args(annotation)[1:]


def is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def without_none(annotation: Any) -> tuple[Any, bool]:
    """`Optional[T]` → T and True; a union keeps its other members."""
    if not is_union(annotation):
        return annotation, False
    members = tuple(strip(each) for each in get_args(annotation))
    rest = tuple(each for each in members if each is not type(None))
    if len(rest) == len(members):
        return annotation, False
    return Union[rest], True  # noqa: UP007 (built from a tuple)


def is_class(annotation: Any) -> TypeGuard[type]:
    """Whether it is a plain class; Python 3.10 takes `list[str]` for one as well."""
    return isinstance(annotation, type) and get_origin(annotation) is None


def is_enum(annotation: Any) -> bool:
    return is_class(annotation) and issubclass(annotation, enum.Enum)


def is_secret(annotation: Any) -> bool:
    return is_class(annotation) and issubclass(annotation, Secret)


def is_path(annotation: Any) -> bool:
    return annotation is os.PathLike or (
        is_class(annotation) and issubclass(annotation, pathlib.PurePath)
    )


def is_file_object(annotation: Any) -> bool:
    return is_class(annotation) and issubclass(annotation, File)


def _is_file(annotation: Any) -> bool:
    if get_origin(annotation) is list:
        return _is_file(strip(get_args(annotation)[0]))
    return is_path(annotation) or is_file_object(annotation)


def is_object(annotation: Any) -> bool:
    """dict, `dict[K, V]`, TypedDict, Any, opaque: an object whose inside is not described."""
    return (
        annotation in (dict, Any)
        or get_origin(annotation) is dict
        or is_typed_dict(annotation)
        or is_opaque(annotation)
    )


def is_typed_dict(annotation: Any) -> bool:
    return is_class(annotation) and hasattr(annotation, "__total__")


def coercion(annotation: Any) -> Callable[[Any], Any]:
    """The function that turns a JSON value, already checked, into what the annotation promises."""
    annotation = strip(annotation)
    if get_origin(annotation) is list:
        each = coercion(get_args(annotation)[0])
        return lambda values: [each(value) for value in values]
    if is_path(annotation):
        return Path
    if is_file_object(annotation):
        return lambda path: open(path, "rb")
    if is_secret(annotation):
        return Secret
    if is_enum(annotation):
        return lambda value: annotation(value)
    if annotation is float:
        return float
    return lambda value: value


def choices(annotation: Any) -> list[Any] | None:
    """The values of a Literal or an Enum."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if is_enum(annotation):
        return [member.value for member in annotation]
    return None
