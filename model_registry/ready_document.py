"""The OpenAPI document that Cog has written into a model folder, of any age: read where the model
itself cannot be loaded.

Only the operator's own folders have one: `.cog/` is no part of a version, so nothing that is pushed
or uploaded brings it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from errors import BrokenModel

PLACE = Path(".cog") / "openapi_schema.json"
LARGEST = 5_000_000
"""Bytes."""


def read(folder: Path, model: str) -> tuple[dict[str, Any], float] | None:
    """The document and when it was written; None if there is none. Raises `BrokenModel`."""
    path = folder / PLACE
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST // 1_000_000} MB")
        document = json.loads(path.read_text())
        _check(document)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BrokenModel(model, f"{PLACE}: {error}.") from None
    except KeyError as error:
        raise BrokenModel(model, f"{PLACE} lacks {error}.") from None
    return document, path.stat().st_mtime


def _check(document: Any) -> None:
    """Raises what a document raises that is none. Numbers inputs that are not numbered yet."""
    # Not above: it brings jsonschema along, which few folders need.
    from model_registry.inputs import resolve

    schemas = document["components"]["schemas"]
    inputs = resolve(schemas["Input"], schemas)
    schemas["Input"] = inputs
    inputs.setdefault("properties", {})
    for order, (name, described) in enumerate(inputs["properties"].items()):
        described.setdefault("x-order", order)
        known = resolve(described, schemas)
        if not {"type", "anyOf"} & known.keys():
            raise ValueError(f"the input {name!r} has no type")
    schemas["Output"] = {"title": "Output", **resolve(schemas["Output"], schemas)}
