"""A folder with cog.yaml → a model. The model's code is read and hashed here, never imported."""

from __future__ import annotations

import base64
import mimetypes
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from errors import BrokenModel
from model_registry import folder_warnings, requirements
from model_registry.description import Described, Descriptions
from model_registry.fingerprint import Fingerprints
from model_registry.spec import Code, Example, Model, Version

# The one in C where PyYAML has it: ten times as quick, and as safe.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TOP_KEYS = {
    "run", "predict", "train", "image", "model", "environment", "concurrency", "weights", "build"
}  # fmt: skip
_BUILD_KEYS = {
    "python_version", "python_requirements", "python_packages", "system_packages", "run",
    "pre_install", "gpu", "cuda", "cudnn", "sdk_version",
}  # fmt: skip
_REFUSED_VARIABLES = {
    "PATH", "LD_LIBRARY_PATH", "LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "PYTHONUNBUFFERED",
    "HF_ENDPOINT", "HF_HUB_ENABLE_HF_TRANSFER",
}  # fmt: skip
_ENVIRONMENT_ENTRY = re.compile(r"[A-Za-z_]\w*=")
_TORCH_IMPORT = re.compile(r"^\s*(?:import|from) (?:torch|transformers|diffusers)\b", re.MULTILINE)
_REFUSED_PREFIXES = ("R8_", "REPLICATE_", "CUDA_", "NVIDIA_", "NV_", "PGET_", "KUBERNETES_")


def read(
    folder: Path, owner: str, name: str, prints: Fingerprints, descriptions: Descriptions
) -> Model:
    """The model of a folder. Raises `BrokenModel`, naming file and key or line."""
    model = f"{owner}/{name}"
    try:
        return _read(folder, owner, name, prints, descriptions)
    except OSError as error:
        raise BrokenModel(model, f"it cannot be read: {error}.") from None


def _read(
    folder: Path, owner: str, name: str, prints: Fingerprints, descriptions: Descriptions
) -> Model:
    model = f"{owner}/{name}"
    config = _config(folder, model)
    code = Code(
        folder=str(folder),
        target=_target(folder, config, model),
        train=_trainer(folder, config, model),
        environment=_environment(config, model),
        concurrency=_concurrency(config, model),
        packages=requirements.read(folder, config["build"], model, prints),
    )
    version_id = prints.of_folder(folder, model)
    described = descriptions.of_folder(version_id, code, model, code.train)
    version = Version(
        id=version_id,
        model=model,
        created_at=described.created_at,
        schema=described.document,
        code=code,
        gpu=bool(config["build"].get("gpu")),
        provisional=described.provisional,
        heavy=_imports_torch(folder / code.target.partition(":")[0]),
    )
    readme = folder / "README.md"
    return Model(
        owner=owner,
        name=name,
        versions=(version,),
        description=_first_line(readme),
        category="local" if owner == "local" else "other",
        examples=_examples(folder, model),
        readme=readme.read_text(errors="replace") if readme.is_file() else None,
        warnings=tuple(folder_warnings.of(folder, config, version, described)),
    )


def settled(model: Model, version: Version, described: Described) -> Model:
    """The model once the packages of one of its versions are installed: what an import of it says
    stands in for what its source did.
    """
    sure = replace(version, schema=described.document, provisional=False)
    return replace(
        model,
        versions=tuple(sure if each.id == sure.id else each for each in model.versions),
        warnings=(
            *filter(None, [described.warning]),
            *folder_warnings.settled(model.warnings),
        ),
    )


def _config(folder: Path, model: str) -> dict[str, Any]:
    path = folder / "cog.yaml"
    config = read_yaml(path, model)
    if not isinstance(config, dict):
        raise BrokenModel(model, "cog.yaml must be a mapping with `run:` or `predict:`.")
    build = config.get("build") or {}
    if not isinstance(build, dict):
        raise BrokenModel(model, f"cog.yaml: build must be a mapping, not {build!r}.")
    config["build"] = build
    for place, found, allowed in (("", config, _TOP_KEYS), ("build.", build, _BUILD_KEYS)):
        former = folder_warnings.FORMER_BUILD_KEYS if found is build else set()
        unknown = sorted(str(key) for key in found if key not in allowed | former)
        if unknown:
            raise BrokenModel(
                model,
                f"cog.yaml: unknown key {place}{unknown[0]}; "
                f"allowed are {', '.join(sorted(allowed))}.",
            )
    return config


def read_yaml(path: Path, model: str) -> Any:
    """What a YAML file holds. Raises `BrokenModel`, naming file and line."""
    try:
        text = path.read_text()
        return yaml.load(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        # What is never closed is missed one line after the end.
        line = min(error.problem_mark.line, text.rstrip().count("\n")) if error.problem_mark else 0
        raise BrokenModel(model, f"{path.name}, line {line + 1}: {error.problem}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise BrokenModel(model, f"{path.name} cannot be read: {said}.") from None


def _target(folder: Path, config: dict[str, Any], model: str) -> str:
    if "run" in config and "predict" in config:
        raise BrokenModel(model, "cog.yaml has both `run:` and `predict:`; keep one.")
    key = "run" if "run" in config else "predict"
    target = config.get(key)
    if not isinstance(target, str):
        raise BrokenModel(model, "cog.yaml must say `predict: predict.py:Predictor` or the like.")
    return _inside(folder, key, target, model)


def _trainer(folder: Path, config: dict[str, Any], model: str) -> str | None:
    target = config.get("train")
    if target is None:
        return None
    if not isinstance(target, str):
        raise BrokenModel(model, f"cog.yaml: train is {target!r}; write it like train.py:train.")
    return _inside(folder, "train", target, model)


def _inside(folder: Path, key: str, target: str, model: str) -> str:
    """The target, whose file has to be there."""
    file = (folder / target.partition(":")[0]).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise BrokenModel(model, f"cog.yaml: {key}: {target} leads out of the folder.")
    if not file.is_file():
        raise BrokenModel(model, f"cog.yaml: {key}: {target.partition(':')[0]} does not exist.")
    return target


def _environment(config: dict[str, Any], model: str) -> dict[str, str]:
    given = config.get("environment") or []
    if not isinstance(given, list) or not all(
        isinstance(entry, str) and _ENVIRONMENT_ENTRY.match(entry) for entry in given
    ):
        raise BrokenModel(model, "cog.yaml: environment must be a list of NAME=value.")
    pairs = dict(entry.split("=", 1) for entry in given)
    for name in pairs:
        if name in _REFUSED_VARIABLES or name.startswith(_REFUSED_PREFIXES):
            raise BrokenModel(model, f"cog.yaml: environment: {name} may not be set by a model.")
    return pairs


def _concurrency(config: dict[str, Any], model: str) -> int | None:
    declared = config.get("concurrency")
    if declared is None:
        return None
    if not isinstance(declared, dict):
        raise BrokenModel(model, f"cog.yaml: concurrency is {declared!r}; write {{max: 4}}.")
    maximum = declared.get("max")
    if maximum is not None and (type(maximum) is not int or maximum < 1):
        raise BrokenModel(model, f"cog.yaml: concurrency.max is {maximum!r}; give a whole number.")
    return maximum


def _imports_torch(file: Path) -> bool:
    return _TORCH_IMPORT.search(file.read_text(errors="replace")) is not None


def _examples(folder: Path, model: str) -> tuple[Example, ...]:
    path = folder / "examples.yaml"
    if not path.is_file():
        return ()
    return read_examples(read_yaml(path, model), model, path.name, folder)


def read_examples(given: Any, model: str, place: str, folder: Path) -> tuple[Example, ...]:
    """A list of `{title, input}`. An input that is `{file: name}` is that file of the folder, and
    becomes a `data:` URI; so does each of a list. Raises `BrokenModel`.
    """
    examples = []
    if not isinstance(given, list | None):
        raise BrokenModel(model, f"{place}: examples must be a list, not {given!r}.")
    for entry in given or []:
        if not isinstance(entry, dict) or not isinstance(entry.get("input"), dict):
            raise BrokenModel(model, f"{place}: an example must have a title and an input.")
        try:
            inputs = {name: _with_file(value, folder) for name, value in entry["input"].items()}
        except (OSError, ValueError) as error:
            raise BrokenModel(model, f"{place}: an example's file: {error}") from None
        examples.append(Example(str(entry.get("title", "")), inputs))
    return tuple(examples)


def _with_file(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_with_file(each, folder) for each in value]
    if not isinstance(value, dict) or value.keys() != {"file"}:
        return value
    path = (folder / str(value["file"])).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{value['file']} lies outside the model's folder.")
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    # Models of a kind show the same files: each is held once.
    return sys.intern(f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}")


def _first_line(readme: Path) -> str:
    """The first sentence of a README that is neither heading nor markup."""
    if readme.is_file():
        for line in readme.read_text(errors="replace").splitlines():
            if line.strip() and line.lstrip()[0] not in "#<![|-=`":
                return line.strip()[:200]
    return ""
