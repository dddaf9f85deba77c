"""Inputs → what their widgets show, and back. Knows no widget.

A reader never judges: what it cannot read it hands on, and the one validator names the problem
beside all others.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.input_fields import MISSING, Field, is_number

UNSET = "atelier:unset"
"""The choice that stands for "left out" where a widget always has one."""


@dataclass(frozen=True)
class Upload:
    """A file that the page received and that is not yet stored."""

    path: str


def same(field: Field, value: Any) -> Any:
    return value


def show_text(field: Field, value: Any) -> str | None:
    return None if value is None else str(value)


def never_shown(field: Field, value: Any) -> None:
    """A secret is not kept, so there is nothing to show but the mask that stands for it."""


def read_text(field: Field, raw: Any) -> Any:
    """An emptied text is left out, unless a default stands behind it that the person has taken
    away.
    """
    if raw is None or (raw == "" and (field.required or field.default in (MISSING, ""))):
        return MISSING
    return raw


def show_number(field: Field, value: Any) -> str | None:
    return None if value is None else repr(value) if is_number(value) else str(value)


def read_number(field: Field, raw: Any) -> Any:
    text = str(raw if raw is not None else "").strip()
    return _parse_number(text) if text else MISSING


def _parse_number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def read_slider(field: Field, raw: Any) -> Any:
    if raw is None:
        return MISSING
    return int(raw) if field.integer and float(raw).is_integer() else raw


def read_toggle(field: Field, raw: Any) -> Any:
    return bool(raw)


def show_optional_toggle(field: Field, value: Any) -> str:
    return UNSET if value is None else "yes" if value else "no"


def read_optional_toggle(field: Field, raw: Any) -> Any:
    return {"yes": True, "no": False}.get(raw, MISSING)


def show_choice(field: Field, value: Any) -> Any:
    if value in field.choices:
        return value
    return UNSET if field.may_be_unset else None


def read_choice(field: Field, raw: Any) -> Any:
    return MISSING if raw is None or raw == UNSET else raw


def show_choices(field: Field, value: Any) -> list[Any]:
    return [each for each in _as_list(value) if each in field.choices]


def read_list(field: Field, raw: Any) -> Any:
    return _list_or_missing(field, list(raw or ()))


def _list_or_missing(field: Field, values: list[Any]) -> Any:
    return MISSING if not values and (field.required or field.default in (MISSING, [])) else values


def show_file(field: Field, value: Any) -> str | None:
    return str(value) if isinstance(value, Path) else None


def read_file(field: Field, raw: Any) -> Any:
    return Upload(str(raw)) if raw else MISSING


def show_files(field: Field, value: Any) -> list[str] | None:
    return [str(each) for each in _as_list(value) if isinstance(each, Path)] or None


def read_files(field: Field, raw: Any) -> Any:
    return [Upload(str(each)) for each in raw] if raw else MISSING


def show_lines(field: Field, value: Any) -> str | None:
    """One a line; as JSON where an item itself has a line break."""
    if value is None:
        return None
    items = [
        each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)
        for each in _as_list(value)
    ]
    awkward = any("\n" in each or each != each.strip() or not each for each in items)
    return json.dumps(value, ensure_ascii=False) if awkward else "\n".join(items)


def read_lines(field: Field, raw: Any) -> Any:
    text = (raw or "").strip()
    if text.startswith("[") and isinstance(parsed := _parse_json(text), list):
        return parsed
    lines = [line for each in text.splitlines() if (line := each.strip())]
    return _list_or_missing(field, lines)


def read_numbers(field: Field, raw: Any) -> Any:
    values = read_lines(field, raw)
    return (
        [_parse_number(each) if isinstance(each, str) else each for each in values]
        if values is not MISSING
        else values
    )


def show_json(field: Field, value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, indent=2)


def read_json(field: Field, raw: Any) -> Any:
    text = (raw or "").strip()
    return _parse_json(text) if text else MISSING


def show_any(field: Field, value: Any) -> str | None:
    """A text as it stands, unless it would be read back as something else."""
    if value is None:
        return None
    if isinstance(value, str) and _parse_json(value) is value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _parse_json(text: str) -> Any:
    """What `text` says as JSON, else the very same text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]
