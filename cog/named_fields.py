"""Classes with named fields, of which outputs are made: Cog's and other dataclasses, typed
dictionaries, pydantic's.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from cog.signature import is_class, is_typed_dict

Fields = Mapping[str, tuple[Any, bool]]
"""Name → type and whether it is required."""


def named_fields(annotation: Any) -> Fields | None:
    """Those of a class with named fields; None for any other."""
    if not is_class(annotation):
        return None
    if dataclasses.is_dataclass(annotation):
        hints = typing.get_type_hints(annotation, include_extras=True)
        missing = dataclasses.MISSING
        return {
            field.name: (
                hints[field.name],
                field.default is missing and field.default_factory is missing,
            )
            for field in dataclasses.fields(annotation)
        }
    if is_typed_dict(annotation):
        hints = typing.get_type_hints(annotation)
        needed = annotation.__required_keys__  # type: ignore[attr-defined]
        return {name: (hint, name in needed) for name, hint in hints.items()}
    return pydantic_fields(annotation)


def pydantic_fields(annotation: Any) -> Fields | None:
    """The same of a model of pydantic's alone, whose second generation may be installed, or its
    first. Neither is imported.
    """
    if not is_class(annotation):
        return None
    fields = getattr(annotation, "model_fields", None)
    if isinstance(fields, dict):
        return {name: (field.annotation, field.is_required()) for name, field in fields.items()}
    if hasattr(annotation, "parse_obj") and hasattr(annotation, "__fields__"):
        hints = typing.get_type_hints(annotation)
        return {
            name: (hints.get(name, Any), bool(field.required))
            for name, field in annotation.__fields__.items()
        }
    return None
