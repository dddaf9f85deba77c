"""Single files among a model's weights, as a spec names them. No runner.

`name.onnx` lies in the folder of the weights, `part:name.onnx` in that of a part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


def file_of(name: str, weights: str, parts: Mapping[str, str]) -> Path:
    """Raises `ValueError` where it is not there."""
    part, _, file = name.rpartition(":")
    if part and part not in parts:
        raise ValueError(f"{name} names a part that the spec does not have.")
    path = Path(parts[part] if part else weights) / file
    if not path.is_file():
        raise ValueError(f"The weights lack the file {name}.")
    return path


def only_file(folder: str, *endings: str) -> Path:
    """The folder's one file with such an ending. Raises `ValueError` where there is none or
    several.
    """
    found = sorted(path for path in Path(folder).rglob("*") if path.suffix in endings)
    if len(found) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise ValueError(f"The weights must hold one file of {' or '.join(endings)}, not {there}.")
    return found[0]


def only_variant(folder: Path) -> str | None:
    """What the names of the weights in a folder say besides ("fp16"), where there are no others."""
    names = [path.name for path in folder.iterdir() if path.suffix in (".safetensors", ".bin")]
    found = [re.search(r"\.(fp16|bf16|fp32)[-.]", name) for name in names]
    return str(found[0][1]) if found and found[0] and all(found) else None
