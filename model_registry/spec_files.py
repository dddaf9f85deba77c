"""specs/<category>/<name>.yaml → a model: about 15 lines each, over a runner of its family."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from errors import BrokenModel
from model_registry.cog_folder import read_examples, read_yaml
from model_registry.description import Descriptions
from model_registry.fingerprint import Fingerprints
from model_registry.overlay import arguments_of, overlay
from model_registry.spec import Code, Licence, Model, Rung, Version, Weights

HERE = Path(__file__).resolve().parent
SPECS = HERE / "specs"
RUNNERS = HERE / "runners"

_KEYS = {
    "name": str, "description": str, "runner": str, "weights": dict, "licence": dict,
    "inputs": dict, "examples": list, "toy": bool, "featured": bool, "memory": str,
    "gpu": bool, "heavy": bool, "stand_in_for": str, "readme": str, "concurrency": int,
    "environment": dict, "parts": dict, "setup": dict, "precisions": dict, "packages": list,
    "verified": str, "category": str, "variants": dict, "spreads": bool,
}  # fmt: skip
_REQUIRED = ("name", "runner")
_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_RUNNER = re.compile(r"\w+:\w+")
_VERIFIED = ("tiny", "gpu", "weights")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_REVISION = re.compile(r"[0-9a-f]{40}")
_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+(\w[\w, \t]*)", re.MULTILINE)
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def read(path: Path, prints: Fingerprints, descriptions: Descriptions) -> Model:
    """The model of one spec. Raises `BrokenModel`, naming file and key."""
    spec = _load(path)
    owner, _, name = spec["name"].partition("/")
    file, _, class_name = spec["runner"].partition(":")
    runner = RUNNERS / f"{file}.py"
    if not runner.is_file():
        raise BrokenModel(spec["name"], f"{path.name}: there is no runner {file!r}.")
    shipped = _shipped(spec, path)
    downloaded = _downloaded(spec, path)
    options = dict(spec.get("setup", {}))
    parts = {each.role: each.place for each in downloaded if each.role}
    code = Code(
        folder=str(RUNNERS),
        target=f"{runner.name}:{class_name}",
        environment={key: str(value) for key, value in spec.get("environment", {}).items()},
        weights=str(shipped) if shipped else downloaded[0].place if downloaded else None,
        concurrency=spec.get("concurrency"),
        options={**options, "parts": parts} if parts else options,
        packages=tuple(map(str, spec.get("packages", ()))),
        arguments=arguments_of(spec.get("inputs", {})),
    )
    files = _with_imported(runner)
    version_id = prints.of([path, *files, *([shipped] if shipped else [])])
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
        memory=_bytes(spec["memory"], "memory", spec, path) if "memory" in spec else None,
        gpu=spec.get("gpu", False),
        spreads=spec.get("spreads", False),
        heavy=spec.get("heavy", False),
        ladder=tuple(
            Rung(str(name), _bytes(memory, f"precisions: {name}", spec, path))
            for name, memory in spec.get("precisions", {}).items()
        ),
        weights=downloaded,
    )
    return Model(
        owner=owner,
        name=name,
        versions=(version,),
        description=spec.get("description", ""),
        category=spec.get("category", path.parent.name),
        licence=_licence(spec, path),
        examples=read_examples(spec.get("examples"), spec["name"], path.name, HERE),
        readme=_readme(spec, path),
        toy=spec.get("toy", False),
        featured=spec.get("featured", False),
        stand_in_for=spec.get("stand_in_for"),
        variants=spec.get("variants", {}),
        verified=spec.get("verified"),
    )


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
    if spec.get("verified", "tiny") not in _VERIFIED:
        reason = f"verified is {spec['verified']!r}; allowed are {', '.join(_VERIFIED)}."
        raise BrokenModel(shown, reason)
    if not _NAME.fullmatch(spec["name"]) or not _RUNNER.fullmatch(spec["runner"]):
        raise BrokenModel(shown, "name must be owner/name and runner file:Class.")
    return spec


def _shipped(spec: dict[str, Any], path: Path) -> Path | None:
    """The folder of weights that ship with the app."""
    weights = spec.get("weights", {})
    if "path" not in weights:
        return None
    if weights.keys() != {"path"}:
        reason = f"{path.name}: weights has a path, and {', '.join(sorted({*weights} - {'path'}))}."
        raise BrokenModel(spec["name"], f"{reason} Give the path alone, or a repo.")
    given = str(weights["path"])
    if not (HERE / given).is_dir():
        raise BrokenModel(spec["name"], f"{path.name}: the weights folder {given} does not exist.")
    return HERE / given


def _downloaded(spec: dict[str, Any], path: Path) -> tuple[Weights, ...]:
    """What comes from the Hub: the main weights first, then the parts."""
    main = spec.get("weights", {})
    given = {} if "path" in main or not main else {"": main}
    return tuple(
        _of_hub(str(role), each, spec, path)
        for role, each in {**given, **spec.get("parts", {})}.items()
    )


def _of_hub(role: str, given: Any, spec: dict[str, Any], path: Path) -> Weights:
    place = f"{path.name}: {f'parts: {role}' if role else 'weights'}"
    if not isinstance(given, dict) or not given.keys() <= {"repo", "revision", "files", "size"}:
        reason = f"{place} is {given!r}; allowed are repo, revision, files and size, or a path."
        raise BrokenModel(spec["name"], reason)
    repo, revision, files = (given.get(key) for key in ("repo", "revision", "files"))
    if not _REPO.fullmatch(str(repo)):
        raise BrokenModel(spec["name"], f"{place}: repo is {repo!r}; write it owner/name.")
    if revision is not None and not _REVISION.fullmatch(str(revision)):
        reason = f"{place}: revision is {revision!r}; it must be a commit, 40 hex digits."
        raise BrokenModel(spec["name"], reason)
    if not isinstance(files or [], list):
        raise BrokenModel(spec["name"], f"{place}: files is {files!r}; it must be a list.")
    size = _bytes(given["size"], "size", spec, path) if "size" in given else None
    return Weights(role, str(repo), revision, tuple(map(str, files or ())), size)


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
        found += [path for path in _imported(file, file.stat().st_mtime_ns) if path not in found]
    return [runner, *sorted(found[1:])]


@cache
def _imported(file: Path, edited_at: int) -> list[Path]:
    """The files beside a file that it may import. Read by its lines, not parsed: a hundred specs
    share these files at every start, and a line too many only makes an id cover more.
    """
    names = set()
    for line in _IMPORT.findall(file.read_text(errors="replace")):
        names |= {each.split()[0] for each in line.split(",") if each.split()}
    return [path for path in (file.with_name(f"{name}.py") for name in names) if path.is_file()]


def _bytes(given: Any, key: str, spec: dict[str, Any], path: Path) -> int:
    for unit, size in _UNITS.items():
        number = str(given).removesuffix(unit).strip()
        if str(given).endswith(unit) and number.replace(".", "", 1).isdigit():
            return int(float(number) * size)
    raise BrokenModel(spec["name"], f"{path.name}: {key} is {given!r}; write it like 700MB.")
