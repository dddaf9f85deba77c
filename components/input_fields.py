"""A model's input schema → the fields of its form. Knows schemas; neither models nor widgets."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

MISSING: Any = object()
"""An input that is left out, and a default that the schema does not give."""

SLIDER_SPAN = 100_000
"""A range wider than this is typed, not slid."""


class InputKind(enum.Enum):
    LINE = "line"
    PROMPT = "prompt"
    SECRET = "secret"
    NUMBER = "number"
    SLIDER = "slider"
    TOGGLE = "toggle"
    OPTIONAL_TOGGLE = "optional toggle"
    CHOICE = "choice"
    CHOICES = "choices"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    FILE = "file"
    FILES = "files"
    LINES = "lines"
    NUMBERS = "numbers"
    JSON = "json"
    ANY = "any"


FILE_KINDS = frozenset(
    {InputKind.IMAGE, InputKind.AUDIO, InputKind.VIDEO, InputKind.FILE, InputKind.FILES}
)


@dataclass(frozen=True)
class Field:
    """One input as a form needs it. `default` is `MISSING` where the schema gives none or null."""

    name: str
    kind: InputKind
    required: bool = False
    description: str = ""
    default: Any = MISSING
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    integer: bool = False
    accept: tuple[str, ...] = ()
    deprecated: bool = False

    @property
    def label(self) -> str:
        return f"{self.name} *" if self.required else self.name

    @property
    def may_be_unset(self) -> bool:
        return not self.required and self.default is MISSING


def fields(document: Mapping[str, Any]) -> tuple[Field, ...]:
    """The inputs of an OpenAPI document in Replicate's dialect, in order. Odd schemas give plainer
    fields, never an error.
    """
    schema = resolve({"$ref": "#/components/schemas/Input"}, document)
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return ()
    required = schema.get("required") or ()
    resolved = [(name, resolve(each, document)) for name, each in properties.items()]
    resolved.sort(
        key=lambda item: (
            order if isinstance(order := item[1].get("x-order"), (int, float)) else math.inf
        )
    )
    return tuple(_field(name, each, name in required, document) for name, each in resolved)


def resolve(schema: Any, document: Mapping[str, Any], depth: int = 8) -> dict[str, Any]:
    """`schema` with its `$ref` and single `allOf` replaced by what they stand for; what stands
    beside them wins.
    """
    if not isinstance(schema, Mapping) or depth == 0:
        return {}
    beside = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
    target: Any = None
    if isinstance(reference := schema.get("$ref"), str):
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target.get(part) if isinstance(target, Mapping) else None
    elif isinstance(all_of := schema.get("allOf"), list) and len(all_of) == 1:
        target = all_of[0]
    return {**resolve(target, document, depth - 1), **beside}


def _field(name: str, schema: dict[str, Any], required: bool, document: Mapping[str, Any]) -> Field:
    items = resolve(schema.get("items"), document)
    enumerated = schema.get("enum") or (
        items.get("enum") if schema.get("type") == "array" else None
    )
    default = schema.get("default")
    bounds = {key: value for key in ("minimum", "maximum") if is_number(value := schema.get(key))}
    plain = Field(
        name=name,
        kind=InputKind.ANY,
        required=required,
        description=_said(schema.get("description")),
        default=MISSING if default is None else default,
        choices=tuple(enumerated) if isinstance(enumerated, (list, tuple)) else (),
        integer=(items if schema.get("type") == "array" else schema).get("type") == "integer",
        accept=_accept(schema.get("x-cog-accept") or items.get("x-cog-accept")),
        deprecated=bool(schema.get("deprecated")),
        **bounds,
    )
    return replace(plain, kind=_kind(plain, schema, items))


def _kind(field: Field, schema: Mapping[str, Any], items: Mapping[str, Any]) -> InputKind:
    kind = schema.get("type")
    if kind == "array":
        return _list_kind(field, items)
    if field.choices:
        return InputKind.CHOICE
    if kind == "boolean":
        return InputKind.OPTIONAL_TOGGLE if field.may_be_unset else InputKind.TOGGLE
    if kind in ("integer", "number"):
        return _number_kind(field)
    if kind == "string":
        return _text_kind(field, schema)
    return InputKind.JSON if kind == "object" else InputKind.ANY


def _list_kind(field: Field, items: Mapping[str, Any]) -> InputKind:
    if field.choices:
        return InputKind.CHOICES
    if items.get("format") == "uri":
        return InputKind.FILES
    by_item = {"string": InputKind.LINES, "integer": InputKind.NUMBERS, "number": InputKind.NUMBERS}
    return by_item.get(str(items.get("type")), InputKind.JSON)


def _number_kind(field: Field) -> InputKind:
    if field.may_be_unset or field.minimum is None or field.maximum is None:
        return InputKind.NUMBER
    return (
        InputKind.SLIDER if 0 < field.maximum - field.minimum <= SLIDER_SPAN else InputKind.NUMBER
    )


def _text_kind(field: Field, schema: Mapping[str, Any]) -> InputKind:
    if schema.get("x-cog-secret") or schema.get("format") == "password":
        return InputKind.SECRET
    if schema.get("format") == "uri":
        return _file_kind(field)
    longest = schema.get("maxLength")
    return InputKind.LINE if isinstance(longest, int) and longest <= 120 else InputKind.PROMPT


# Words by which authors name what they take; an archive of images is a file, so files come first.
_HINTS = (
    (
        InputKind.FILE,
        re.compile(
            r"\b(zip|tar|archive|weights|lora|checkpoint|pdf|document|csv|json)\b", re.IGNORECASE
        ),
    ),
    (
        InputKind.IMAGE,
        re.compile(r"\b(images?|img|photos?|pictures?|mask|frame|face|portrait)\b", re.IGNORECASE),
    ),
    (InputKind.VIDEO, re.compile(r"\b(videos?|clip|movie)\b", re.IGNORECASE)),
    (
        InputKind.AUDIO,
        re.compile(
            r"\b(audio|speech|voice|speaker|song|sound|recording|music|melody|wav)\b", re.IGNORECASE
        ),
    ),
)


def _file_kind(field: Field) -> InputKind:
    by_type = {"image": InputKind.IMAGE, "audio": InputKind.AUDIO, "video": InputKind.VIDEO}
    if field.accept:
        families = {each.partition("/")[0] for each in field.accept}
        return by_type.get(families.pop(), InputKind.FILE) if len(families) == 1 else InputKind.FILE
    for text in (field.name.replace("_", " "), field.description):
        for kind, words in _HINTS:
            if words.search(text):
                return kind
    return InputKind.FILE


def _said(description: Any) -> str:
    """What the author wrote; not what stands in every enumeration that nobody described."""
    return "" if description == "An enumeration." else str(description or "")


def _accept(text: Any) -> tuple[str, ...]:
    return tuple(part for each in str(text or "").split(",") if (part := each.strip()))


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
