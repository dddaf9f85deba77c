"""A runner's signature → the OpenAPI document in Replicate's dialect, which everything else is made
from.
"""

from __future__ import annotations

import collections.abc
import enum
import json
import pathlib
from collections.abc import Callable
from typing import Any, Union, get_args, get_origin

from cog import envelope
from cog.named_fields import Fields, named_fields
from cog.signature import (
    ALLOWED,
    SCALARS,
    Parameter,
    SignatureError,
    choices,
    is_file_object,
    is_object,
    is_opaque,
    is_path,
    is_secret,
    is_union,
    parameters,
    returned,
    strip,
    without_none,
)
from cog.types import UNSET, AsyncConcatenateIterator, ConcatenateIterator

_FILE = {"type": "string", "format": "uri"}
_SECRET = {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True}
_CONSTRAINTS = {
    "ge": "minimum",
    "le": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "regex": "pattern",
}
_ITERATORS = (
    collections.abc.Iterator,
    collections.abc.AsyncIterator,
    collections.abc.Generator,
    collections.abc.AsyncGenerator,
)
_CONCATENATING = (ConcatenateIterator, AsyncConcatenateIterator)


def document(run: Callable[..., Any], train: Callable[..., Any] | None = None) -> dict[str, Any]:
    """The OpenAPI document of a runner's function. Raises `SignatureError`."""
    schemas: dict[str, Any] = {}
    schemas["Input"] = _inputs("Input", parameters(run), schemas)
    schemas["Output"] = {**_output(returned(run), top=True), "title": "Output"}
    schemas |= envelope.COMMON | envelope.around("Prediction", "Input", "Output")
    post: dict[str, Any] = {"summary": "Predict", "operationId": "predict_predictions_post"}
    if getattr(run, "__cog_streaming__", False):
        post["x-cog-streaming"] = True
    paths: dict[str, Any] = {"/predictions": {"post": envelope.operation(post, "Prediction")}}
    if train is not None:
        schemas["TrainingInput"] = _inputs("TrainingInput", parameters(train), schemas)
        output = {**_output(returned(train), top=True), "title": "TrainingOutput"}
        schemas["TrainingOutput"] = output
        schemas |= envelope.around("Training", "TrainingInput", "TrainingOutput")
        post = {"summary": "Train", "operationId": "train_trainings_post"}
        paths["/trainings"] = {"post": envelope.operation(post, "Training")}
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _inputs(title: str, inputs: list[Parameter], schemas: dict[str, Any]) -> dict[str, Any]:
    properties = {
        parameter.name: _property(parameter, order, schemas)
        for order, parameter in enumerate(inputs)
    }
    described: dict[str, Any] = {"title": title, "type": "object", "properties": properties}
    required = [parameter.name for parameter in inputs if parameter.required]
    if required:
        described["required"] = required
    return described


def _property(parameter: Parameter, order: int, schemas: dict[str, Any]) -> dict[str, Any]:
    info, annotation = parameter.info, parameter.annotation
    allowed = info.choices if info.choices is not None else choices(annotation)
    if allowed is not None and get_origin(annotation) is not list:
        component = _add_enumeration(parameter, allowed, schemas)
        described: dict[str, Any] = {"allOf": [{"$ref": envelope.REFERENCE + component}]}
    else:
        described = {**_input(annotation, parameter.name, parameter.nullable)}
        described["title"] = parameter.name.replace("_", " ").title()
        if allowed is not None:
            described["items"] = {**described["items"], "enum": list(allowed)}
    if info.description is not None:
        described["description"] = info.description
    default = _shown_default(parameter)
    if default is not UNSET:
        described["default"] = default
    if parameter.nullable:
        described["nullable"] = True
    if info.deprecated:
        described["deprecated"] = True
    if info.accept is not None:
        described["x-cog-accept"] = info.accept
    for name, keyword in _CONSTRAINTS.items():
        if getattr(info, name) is not None:
            described[keyword] = getattr(info, name)
    described["x-order"] = order
    return described


def _add_enumeration(parameter: Parameter, allowed: list[Any], schemas: dict[str, Any]) -> str:
    """Adds the component of a parameter with choices, and gives its name: the parameter's, unless a
    training's parameter of that name has other choices.
    """
    described = {
        "title": parameter.name,
        "description": "An enumeration.",
        "type": _kind(allowed, parameter.name),
        "enum": list(allowed),
    }
    name = parameter.name
    if schemas.setdefault(name, described) != described:
        name = f"Training.{name}"
        schemas[name] = described
    return name


def _kind(allowed: list[Any], name: str) -> str:
    kinds = {type(value) for value in allowed}
    if not kinds or not kinds <= {str, int, float}:
        raise SignatureError(
            f"The choices of {name!r} are {allowed!r}; they must be texts or numbers."
        )
    return "string" if str in kinds else "integer" if kinds == {int} else "number"


def _shown_default(parameter: Parameter) -> Any:
    """The default as JSON. UNSET where JSON has no such value or nobody may see it (a secret, a
    file of the model's own): the runner has it all the same.
    """
    default = parameter.default
    if default is UNSET or default is None:
        return default
    inner = parameter.annotation
    if get_origin(inner) is list:
        inner = strip(get_args(inner)[0])
    if is_secret(inner):
        return UNSET
    try:
        shown = json.loads(json.dumps(default, default=_as_json, allow_nan=False))
    except (TypeError, ValueError):
        return UNSET
    if is_path(inner) or is_file_object(inner):
        files = shown if isinstance(shown, list) else [shown]
        if not all(str(file).startswith(("http://", "https://", "data:")) for file in files):
            return UNSET
    return shown


def _as_json(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, pathlib.PurePath):
        return str(value)
    raise TypeError(f"{value!r} cannot be JSON.")


def _input(annotation: Any, name: str, nullable: bool = False) -> dict[str, Any]:
    annotation = strip(annotation)
    if annotation in SCALARS:
        return {"type": SCALARS[annotation]}
    if is_opaque(annotation):
        inner = get_args(annotation)[0]
        if get_origin(inner) is list:
            return {"type": "array", "items": {"type": "object"}}
        return {"type": "object"}
    if is_object(annotation):
        return {"type": "object"}
    if is_path(annotation) or is_file_object(annotation):
        return dict(_FILE)
    if is_secret(annotation):
        return dict(_SECRET)
    if annotation is list:
        return {"type": "array", "items": {}}
    if get_origin(annotation) is list:
        return {"type": "array", "items": _item(get_args(annotation)[0], name)}
    if is_union(annotation):
        members = [_member(each, name) for each in get_args(annotation)]
        if nullable:
            members = [{**member, "nullable": True} for member in members]
        return {"anyOf": members}
    raise _refused(annotation, name)


def _item(annotation: Any, name: str) -> dict[str, Any]:
    annotation = strip(annotation)
    allowed = choices(annotation)
    if allowed is not None:
        return {"type": _kind(allowed, name), "enum": allowed}
    if get_origin(annotation) is list or annotation is list or is_union(annotation):
        raise _refused(f"list of {annotation}", name)
    return _input(annotation, name)


def _member(annotation: Any, name: str) -> dict[str, Any]:
    annotation = strip(annotation)
    if is_path(annotation) or is_file_object(annotation) or is_secret(annotation):
        raise _refused(f"a union with {annotation.__name__}", name)
    return _input(annotation, name)


def _refused(annotation: Any, name: str) -> SignatureError:
    shown = getattr(annotation, "__name__", None) or str(annotation)
    return SignatureError(f"The input {name!r} has the type {shown}; allowed are {ALLOWED}.")


# --- outputs


def _output(annotation: Any, top: bool = False) -> dict[str, Any]:
    annotation = strip(annotation)
    if is_union(annotation):
        return _one_of(annotation)
    if annotation in SCALARS:
        return {"type": SCALARS[annotation]}
    if is_path(annotation) or is_file_object(annotation):
        return dict(_FILE)
    if is_secret(annotation):
        return dict(_SECRET)
    if is_opaque(annotation) or annotation in (Any, dict):
        return {"type": "object"}
    origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if origin is dict:
        value = strip(arguments[1])
        return {"type": "object", "additionalProperties": _output(value)}
    if origin in (list, set, frozenset, tuple):
        inside = tuple(each for each in arguments if each is not ...) or (Any,)
        return {"type": "array", "items": _output(Union.__getitem__(inside))}
    if origin in _ITERATORS and top:
        items = _output(arguments[0] if arguments else Any)
        return {"type": "array", "items": items, "x-cog-array-type": "iterator"}
    if origin in _CONCATENATING and top and arguments in ((), (str,)):
        return {
            "type": "array",
            "items": {"type": "string"},
            "x-cog-array-type": "iterator",
            "x-cog-array-display": "concatenate",
        }
    fields = named_fields(annotation)
    if fields is not None:
        return _object(fields)
    shown = getattr(annotation, "__name__", None) or str(annotation)
    raise SignatureError(
        f"The model returns {shown}; allowed are str, int, float, bool, cog.Path, dict, list[…], "
        "Iterator[…], ConcatenateIterator[str], unions and classes with named fields "
        "(cog.BaseModel)."
    )


def _one_of(union: Any) -> dict[str, Any]:
    rest, nullable = without_none(union)
    if is_union(rest):
        described: dict[str, Any] = {"anyOf": [_output(each) for each in get_args(rest)]}
    else:
        described = _output(rest)
    return {**described, "nullable": True} if nullable else described


def _object(fields: Fields) -> dict[str, Any]:
    properties, required = {}, []
    for name, (annotation, needed) in fields.items():
        properties[name] = {**_output(annotation), "title": name.replace("_", " ").title()}
        if needed and not properties[name].get("nullable"):
            required.append(name)
    described = {"type": "object", "properties": properties}
    if required:
        described["required"] = required
    return described
