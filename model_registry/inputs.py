"""A schema and a dictionary → checked inputs with defaults, or every problem at once.

The schema is OpenAPI 3.0 in Replicate's dialect; jsonschema does the checking, once the dialect has
been put into its words.
"""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from cog.encoding import FILE
from errors import InvalidInput, Problem

MAX_LEVELS = 100
"""How deep lists and objects may be nested: what is stored must be readable again."""

_URL_PREFIXES = ("http://", "https://", "data:")

# jsonschema's keyword → Replicate's name for the problem.
_KINDS = {
    "enum": "enum",
    "maximum": "number_lte",
    "minimum": "number_gte",
    "type": "invalid_type",
    "minLength": "string_gte",
    "maxLength": "string_lte",
    "pattern": "pattern",
    "anyOf": "invalid_type",
}
_NAMES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


class _Inputs:
    """What is worked out once per schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        schemas = schema["components"]["schemas"]
        given = resolve(schemas["Input"], schemas)
        self.properties: dict[str, Any] = {
            name: resolve(described, schemas)
            for name, described in given.get("properties", {}).items()
        }
        self.required = [name for name in given.get("required", ()) if name in self.properties]
        # A path as a default is a file of the model's own, which it finds by itself.
        self.defaults = {
            name: described["default"]
            for name, described in self.properties.items()
            if described.get("default") is not None
            and not any(_file_problems(name, described["default"], described))
        }
        self.mutable_defaults = [
            name for name, value in self.defaults.items() if isinstance(value, (list, dict))
        ]
        self.files = [name for name, each in self.properties.items() if _file_kind(each)]
        self.secrets = frozenset(name for name, each in self.properties.items() if _is_secret(each))
        self.validators = {
            name: _Validator(_translated(described)) for name, described in self.properties.items()
        }


# A document lives as long as its version; its identity is the cheapest key there is.
_cache: dict[int, tuple[Mapping[str, Any], _Inputs]] = {}


def _inputs(schema: Mapping[str, Any]) -> _Inputs:
    known = _cache.get(id(schema))
    if known is None or known[0] is not schema:
        if len(_cache) > 5000:
            _cache.clear()
        known = _cache[id(schema)] = (schema, _Inputs(schema))
    return known[1]


def check(schema: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs, checked, with defaults filled in. Raises `InvalidInput` with every problem at
    once.

    Null is a value where the schema says so; for any other input that need not be given it means
    that it is not given. What is unknown is refused.
    """
    known = _inputs(schema)
    problems: list[Problem] = []
    checked = dict(known.defaults)
    for name in known.mutable_defaults:
        checked[name] = copy.deepcopy(checked[name])
    for name, value in inputs.items():
        described = known.properties.get(name)
        if described is None:
            problems.append(_unknown(name, known))
            continue
        if value is None and known.properties[name].get("nullable"):
            checked[name] = None
            continue
        if value is None and name not in known.required:
            continue
        value = _number(value, described)
        if reason := _unsendable(value, name in known.files):
            problems.append(Problem(name, "invalid_type", reason))
            continue
        found = list(known.validators[name].iter_errors(value))
        problems.extend(_problem(name, error) for error in found)
        if not found:
            problems.extend(_file_problems(name, value, described))
        checked[name] = value
    for name in known.required:
        if name not in inputs:
            problems.append(Problem(name, "required", "This input is required."))
    if problems:
        raise InvalidInput(tuple(problems))
    return checked


def unfit_defaults(schema: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the defaults themselves, as a caller who gave them would be told."""
    known = _inputs(schema)
    for name, value in known.defaults.items():
        for error in known.validators[name].iter_errors(value):
            yield _problem(name, error)


def secrets(schema: Mapping[str, Any]) -> frozenset[str]:
    """The names of the inputs that must never be stored or shown."""
    return _inputs(schema).secrets


def file_positions(
    schema: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Each file among the inputs, with its dotted path (`image`, `images.0`)."""
    for name in _inputs(schema).files:
        value = inputs.get(name)
        if isinstance(value, list):
            yield from ((f"{name}.{index}", each) for index, each in enumerate(value))
        elif value is not None:
            yield name, value


def map_files(
    schema: Mapping[str, Any], inputs: Mapping[str, Any], change: Callable[[str, Any], Any]
) -> dict[str, Any]:
    """The inputs with each file replaced by `change(path, value)`."""
    changed = dict(inputs)
    for name in _inputs(schema).files:
        value = inputs.get(name)
        if isinstance(value, list):
            changed[name] = [change(f"{name}.{i}", each) for i, each in enumerate(value)]
        elif value is not None:
            changed[name] = change(name, value)
    return changed


def resolve(described: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with its `$ref` and its `allOf` of one written out; what stands beside them wins.

    Documents of every age of Cog are read: references may stand anywhere.
    """
    merged: dict[str, Any] = {}
    if "$ref" in described:
        merged |= resolve(schemas[described["$ref"].rpartition("/")[2]], schemas)
    for part in described.get("allOf", ()):
        merged |= resolve(part, schemas)
    merged |= {key: value for key, value in described.items() if key not in ("$ref", "allOf")}
    if isinstance(merged.get("items"), Mapping):
        merged["items"] = resolve(merged["items"], schemas)
    if "anyOf" in merged:
        merged["anyOf"] = [resolve(each, schemas) for each in merged["anyOf"]]
    return merged


# --- the dialect, in jsonschema's words


def _is_integer(checker: Any, value: Any) -> bool:
    return not isinstance(value, bool) and (
        isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    )


def _is_file_or_text(checker: Any, value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, dict) and isinstance(value.get(FILE), str))


_Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "file": _is_file_or_text}
    ),
)
_KEYWORDS = ("enum", "maximum", "minimum", "minLength", "maxLength", "pattern")


def _translated(described: Mapping[str, Any]) -> dict[str, Any]:
    translated = {key: described[key] for key in _KEYWORDS if key in described}
    kind = described.get("type")
    if described.get("format") == "uri" and kind == "string":
        kind = "file"
    if kind is not None:
        translated["type"] = kind
    if "items" in described:
        translated["items"] = _translated(described["items"])
    if "anyOf" in described:
        translated["anyOf"] = [_translated(each) for each in described["anyOf"]]
    return translated


def _is_secret(described: Mapping[str, Any]) -> bool:
    return (
        described.get("format") == "password"
        or bool(described.get("x-cog-secret"))
        or (isinstance(described.get("items"), Mapping) and _is_secret(described["items"]))
    )


def _file_kind(described: Mapping[str, Any]) -> bool:
    inner = described.get("items") if described.get("type") == "array" else described
    return isinstance(inner, Mapping) and inner.get("format") == "uri"


def _number(value: Any, described: Mapping[str, Any]) -> Any:
    """3.0 is a whole number in JSON, but not in Python."""
    if isinstance(value, list) and isinstance(described.get("items"), Mapping):
        return [_number(each, described["items"]) for each in value]
    if described.get("type") == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _unsendable(value: Any, is_file: bool, levels: int = MAX_LEVELS) -> str:
    """Why a value that Python's JSON reader lets pass is none that can be stored and sent; empty if
    it can. Only where a file `is_file` may stand what stands for one.
    """
    if levels < 0:
        return f"Lists and objects may be nested {MAX_LEVELS} levels deep at most."
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            return "This text has half a character in it (a lone surrogate)."
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            return f"{_shown(value)} is too large: whole numbers have at most 64 bits."
    elif isinstance(value, float):
        if not math.isfinite(value):
            return f"{value} is no number in JSON."
    elif isinstance(value, Mapping):
        if FILE in value and not is_file:
            return f"{FILE!r} is a key that no object may have: it stands for files here."
        return _first_reason(chain(value, value.values()), is_file, levels)
    elif isinstance(value, list):
        return _first_reason(value, is_file, levels)
    return ""


def _first_reason(values: Iterable[Any], is_file: bool, levels: int) -> str:
    return next(filter(None, (_unsendable(each, is_file, levels - 1) for each in values)), "")


# --- problems, in words


def _unknown(name: str, known: _Inputs) -> Problem:
    near = difflib.get_close_matches(name, known.properties, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    allowed = ", ".join(known.properties) or "none"
    return Problem(
        name,
        "additional_property_not_allowed",
        f"There is no input {name!r}.{hint} The inputs are: {allowed}.",
    )


def _problem(name: str, error: ValidationError) -> Problem:
    field = ".".join([name, *map(str, error.path)])
    keyword = str(error.validator)
    say = _MESSAGES.get(keyword)
    message = say(error.validator_value, error.instance) if say else str(error.message)
    return Problem(field, _KINDS.get(keyword, "invalid"), message)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _plain(number: float) -> float:
    """20 for the 20.0 of old documents."""
    return int(number) if float(number).is_integer() else number


def _type_message(wanted: Any, given: Any) -> str:
    if wanted == "file":
        return f"This is a file: give its URL or a data: URI, not {_shown(given)}."
    return f"Must be {_NAMES.get(wanted, wanted)}, not {_shown(given)}."


_MESSAGES: dict[str, Callable[[Any, Any], str]] = {
    "type": _type_message,
    "enum": lambda allowed, _: "Must be one of: " + ", ".join(map(repr, allowed)) + ".",
    "maximum": lambda most, _: f"Must be less than or equal to {_plain(most)}.",
    "minimum": lambda least, _: f"Must be greater than or equal to {_plain(least)}.",
    "minLength": lambda least, _: f"Must have at least {least} characters.",
    "maxLength": lambda most, _: f"Must have at most {most} characters.",
    "pattern": lambda pattern, _: f"Must match the pattern {pattern}.",
    "anyOf": lambda members, given: _type_message(
        " or ".join(_NAMES.get(each.get("type"), "something else") for each in members), given
    ),
}


def _file_problems(name: str, value: Any, described: Mapping[str, Any]) -> Iterator[Problem]:
    """A path of the client's is never a file of ours, however local the client is."""
    if not _file_kind(described):
        return
    values = value if isinstance(value, list) else [value]
    for index, each in enumerate(values):
        if isinstance(each, str) and not each.lower().startswith(_URL_PREFIXES):
            field = f"{name}.{index}" if isinstance(value, list) else name
            yield Problem(
                field,
                "invalid_file",
                f"{_shown(each)} is no file that can be read here: give an http(s) URL, a data: "
                "URI or the URL of an uploaded file. Paths are not accepted.",
            )
