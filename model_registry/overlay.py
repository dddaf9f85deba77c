"""What a spec says of single inputs, laid over what its runner says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from errors import BrokenModel

_OVERLAID = {
    "default", "description", "minimum", "maximum", "minLength", "maxLength", "pattern", "enum",
    "deprecated", "name", "order",
}  # fmt: skip


_REFERENCE = "#/components/schemas/"


def arguments_of(inputs: Mapping[str, Any]) -> dict[str, str]:
    """Input → the runner's argument, for those that a spec has given another name."""
    return {
        str(changes["name"]): name
        for name, changes in inputs.items()
        if isinstance(changes, dict) and "name" in changes
    }


def overlay(
    document: Any, inputs: dict[str, Any], model: str, place: str = "inputs"
) -> dict[str, Any]:
    """The runner's document with what a spec says of single inputs; None takes an input away.

    What the runner calls deprecated is there for those specs alone that name it: old names and
    inputs without effect that some models' callers send.

    An input with a default is no longer required; None for a word (`maximum: null`) takes away
    what the runner said. `name` is what people and clients call the input, `order` its place in the
    form, from 0. Raises `BrokenModel` for an input that is not there, for a word that means nothing
    here, and where the runner would miss what is taken away.
    """
    schemas = dict(document["components"]["schemas"])
    described = schemas["Input"] = dict(schemas["Input"])
    properties = described["properties"] = dict(described["properties"])
    required = described["required"] = list(described.get("required", []))
    for name in [name for name, each in properties.items() if each.get("deprecated")]:
        if name not in inputs:
            del properties[name]
    for name, changes in inputs.items():
        if name not in properties:
            reason = f"{place}: inputs: the runner has no {name!r}, only {', '.join(properties)}."
            raise BrokenModel(model, reason)
        if changes is None and name in required:
            reason = f"{place}: inputs: {name} cannot be taken away: the runner needs it."
            raise BrokenModel(model, reason)
        if changes is None:
            del properties[name]
            continue
        if not isinstance(changes, dict) or not changes.keys() <= _OVERLAID:
            allowed = ", ".join(sorted(_OVERLAID))
            reason = f"{place}: inputs: {name} is {changes!r}; allowed are {allowed}."
            raise BrokenModel(model, reason)
        said = {word: value for word, value in changes.items() if word not in ("name", "order")}
        properties[name] = _changed(name, properties[name], said, schemas)
        if name in required and "default" in changes:
            required.remove(name)
    named = _named(described, arguments_of(inputs), schemas, model, place)
    described["properties"] = _ordered(named, inputs)
    if not required:
        described.pop("required", None)
    return {**document, "components": {**document["components"], "schemas": schemas}}


def _changed(
    name: str, described: dict[str, Any], changes: dict[str, Any], schemas: dict[str, Any]
) -> dict[str, Any]:
    """One input's schema with the changes; choices go to a component of their own, as Cog's do."""
    changed = {**described, **changes}
    if "enum" in changes:
        kind = described.get("type") or schemas[name]["type"]
        schemas[name] = {
            "title": name,
            "description": "An enumeration.",
            "type": kind,
            "enum": changed.pop("enum"),
        }
        changed.pop("type", None)
        changed.pop("title", None)
        changed["allOf"] = [{"$ref": _REFERENCE + name}]
    return {
        word: value for word, value in changed.items() if word not in changes or value is not None
    }


def _named(
    described: dict[str, Any],
    arguments: Mapping[str, str],
    schemas: dict[str, Any],
    model: str,
    place: str,
) -> dict[str, Any]:
    """The properties under the names that people see; `required` and choices follow."""
    names = {argument: shown for shown, argument in arguments.items()}
    properties = described["properties"]
    kept = [names.get(name, name) for name in properties]
    if twice := next((name for name in kept if kept.count(name) > 1), None):
        raise BrokenModel(model, f"{place}: inputs: two would be called {twice!r}.")
    for name, shown in names.items():
        changed = properties[name] = dict(properties[name])
        if "title" in changed:
            changed["title"] = shown.replace("_", " ").title()
        if changed.get("allOf") == [{"$ref": _REFERENCE + name}]:
            schemas[shown] = {**schemas.pop(name), "title": shown}
            changed["allOf"] = [{"$ref": _REFERENCE + shown}]
    described["required"] = [names.get(name, name) for name in described["required"]]
    return {names.get(name, name): each for name, each in properties.items()}


def _ordered(properties: dict[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The properties with those that a spec has given a place moved there."""
    places = {
        changes.get("name", name): changes["order"]
        for name, changes in inputs.items()
        if isinstance(changes, dict) and "order" in changes
    }
    if not places:
        return properties
    names = [name for name in properties if name not in places]
    for name in sorted(places, key=lambda name: places[name]):
        names.insert(places[name], name)
    return {name: {**properties[name], "x-order": order} for order, name in enumerate(names)}
