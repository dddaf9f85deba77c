"""specs/<category>/<name>.yaml → a model: about 15 lines each, over a runner of its family."""

from __future__ import annotations

import ast
import contextlib
import copy
import re
from pathlib import Path
from typing import Any

from errors import BrokenModel
from model_registry.cog_folder import read_examples, read_yaml
from model_registry.description import Descriptions
from model_registry.fingerprint import Fingerprints
from model_registry.spec import Code, Licence, Model, Version

HERE = Path(__file__).resolve().parent
SPECS = HERE / "specs"
RUNNERS = HERE / "runners"

_KEYS = {
    "name": str, "description": str, "runner": str, "weights": dict, "licence": dict,
    "inputs": dict, "examples": list, "toy": bool, "featured": bool, "memory": str,
    "gpu": bool, "heavy": bool, "stand_in_for": str, "readme": str, "concurrency": int,
    "environment": dict,
}  # fmt: skip
_REQUIRED = ("name", "runner")
_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_RUNNER = re.compile(r"\w+:\w+")
_OVERLAID = {
    "default", "description", "minimum", "maximum", "minLength", "maxLength", "pattern", "enum",
    "deprecated",
}  # fmt: skip
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def read(path: Path, prints: Fingerprints, descriptions: Descriptions) -> Model:
    """The model of one spec. Raises `BrokenModel`, naming file and key."""
    spec = _load(path)
    owner, _, name = spec["name"].partition("/")
    file, _, class_name = spec["runner"].partition(":")
    runner = RUNNERS / f"{file}.py"
    if not runner.is_file():
        raise BrokenModel(spec["name"], f"{path.name}: there is no runner {file!r}.")
    weights = _weights(spec, path)
    code = Code(
        folder=str(RUNNERS),
        target=f"{runner.name}:{class_name}",
        environment={key: str(value) for key, value in spec.get("environment", {}).items()},
        weights=str(weights) if weights else None,
        concurrency=spec.get("concurrency"),
    )
    files = _with_imported(runner)
    version_id = prints.of([path, *files, *([weights] if weights else [])])
    described_id = prints.of(files, class_name, str(code.concurrency))
    document, _ = descriptions.of(described_id, code, spec["name"], None)
    schema = overlay(document, spec.get("inputs", {}), spec["name"], path.name)
    created_at = max(each.stat().st_mtime for each in (path, *files))
    version = Version(
        id=version_id,
        model=spec["name"],
        created_at=created_at,
        schema=schema,
        code=code,
        memory=_bytes(spec, path),
        gpu=spec.get("gpu", False),
        heavy=spec.get("heavy", False),
    )
    return Model(
        owner=owner,
        name=name,
        versions=(version,),
        description=spec.get("description", ""),
        category=path.parent.name,
        licence=_licence(spec, path),
        examples=read_examples(spec.get("examples"), spec["name"], path.name, HERE),
        readme=_readme(spec, path),
        toy=spec.get("toy", False),
        featured=spec.get("featured", False),
        stand_in_for=spec.get("stand_in_for"),
    )


def overlay(
    document: Any, inputs: dict[str, Any], model: str, place: str = "inputs"
) -> dict[str, Any]:
    """The runner's document with what a spec says of single inputs; None takes an input away.

    An input with a default is no longer required. Raises `BrokenModel` for an input that is not
    there, for a word that means nothing here, and where the runner would miss what is taken away.
    """
    document = copy.deepcopy(document)
    schemas = document["components"]["schemas"]
    described = schemas["Input"]
    properties, required = described["properties"], described.get("required", [])
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
        properties[name] = _changed(name, properties[name], changes, schemas)
        if name in required and "default" in changes:
            required.remove(name)
    if not required:
        described.pop("required", None)
    return document  # type: ignore[no-any-return]


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
        changed["allOf"] = [{"$ref": f"#/components/schemas/{name}"}]
    return changed


def _load(path: Path) -> dict[str, Any]:
    shown = f"{path.parent.name}/{path.name}"
    spec = read_yaml(path, shown)
    if not isinstance(spec, dict):
        raise BrokenModel(shown, "a spec must be a mapping.")
    for key, value in spec.items():
        wanted = _KEYS.get(key)
        if wanted is None:
            raise BrokenModel(shown, f"unknown key {key!r}; allowed are {', '.join(_KEYS)}.")
        if not isinstance(value, wanted):
            raise BrokenModel(shown, f"{key} must be a {wanted.__name__}, not {value!r}.")
    missing = [key for key in _REQUIRED if key not in spec]
    if missing:
        raise BrokenModel(shown, f"{missing[0]} is missing.")
    if not _NAME.fullmatch(spec["name"]) or not _RUNNER.fullmatch(spec["runner"]):
        raise BrokenModel(shown, "name must be owner/name and runner file:Class.")
    return spec


def _weights(spec: dict[str, Any], path: Path) -> Path | None:
    if "weights" not in spec:
        return None
    if spec["weights"].keys() != {"path"}:
        reason = f"{path.name}: weights is {spec['weights']!r}; write {{path: starter/name}}."
        raise BrokenModel(spec["name"], reason)
    given = str(spec["weights"]["path"])
    if not (HERE / given).is_dir():
        raise BrokenModel(spec["name"], f"{path.name}: the weights folder {given} does not exist.")
    return HERE / given


def _readme(spec: dict[str, Any], path: Path) -> str | None:
    if "readme" not in spec:
        return None
    try:
        return (HERE / str(spec["readme"])).read_text()
    except OSError:
        reason = f"{path.name}: the readme {spec['readme']} does not exist."
        raise BrokenModel(spec["name"], reason) from None


def _licence(spec: dict[str, Any], path: Path) -> Licence | None:
    try:
        return Licence(**spec["licence"]) if "licence" in spec else None
    except TypeError as error:
        raise BrokenModel(spec["name"], f"{path.name}: licence: {error}.") from None


def _with_imported(runner: Path) -> list[Path]:
    """A runner's file and, in a fixed order, those beside it that it imports: its code too."""
    found = [runner]
    for file in found:  # grows while it is read: what is imported may import
        beside = [RUNNERS / f"{name}.py" for name in _imported(file)]
        found += [path for path in beside if path.is_file() and path not in found]
    return [runner, *sorted(found[1:])]


def _imported(file: Path) -> set[str]:
    names = set()
    # What cannot be parsed is reported where the file is described.
    with contextlib.suppress(SyntaxError):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
            elif isinstance(node, ast.Import):
                names |= {each.name for each in node.names}
    return names


def _bytes(spec: dict[str, Any], path: Path) -> int | None:
    given = spec.get("memory")
    if given is None:
        return None
    for unit, size in _UNITS.items():
        number = given.removesuffix(unit).strip()
        if given.endswith(unit) and number.replace(".", "", 1).isdigit():
            return int(float(number) * size)
    raise BrokenModel(spec["name"], f"{path.name}: memory is {given!r}; write it like 700MB.")
