"""diffusers pipelines from one file, as their makers share them. No runner: `pipelines.py` loads
them so.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model_files import only_variant


def loaded(weights: str, checkpoint: Mapping[str, Any], settings: str, dtype: Any) -> Any:
    """The pipeline whose weights are in the `file` of the folder `weights` that `checkpoint` names,
    put together as the folder `settings` says. The parts that are `borrowed` come from there too.

    Asks no network. Raises `ValueError` where the file lacks something of a part.
    """
    import diffusers

    folder = Path(settings)
    index = json.loads((folder / "model_index.json").read_text())
    parts = {name: _part(folder, name, index[name], dtype) for name in checkpoint["borrowed"]}
    pipeline = getattr(diffusers, index["_class_name"]).from_single_file(
        str(Path(weights) / checkpoint["file"]),
        config=settings,
        dtype=dtype,
        local_files_only=True,
        **parts,
    )
    for name, part in pipeline.components.items():
        _check_whole(checkpoint["file"], name, part)
    return pipeline


def _part(folder: Path, name: str, named: Sequence[str], dtype: Any) -> Any:
    library, kind = named
    family = getattr(importlib.import_module(library), kind)
    variant = only_variant(folder / name)
    return family.from_pretrained(str(folder / name), dtype=dtype, variant=variant)


def _check_whole(file: str, name: str, part: Any) -> None:
    # Where the library finds nothing for a tensor, it leaves one without numbers, and says nothing.
    tensors = part.state_dict() if hasattr(part, "state_dict") else {}
    if lacks := [each for each, tensor in tensors.items() if tensor.is_meta]:
        more = f" and {len(lacks) - 3} more" if len(lacks) > 3 else ""
        raise ValueError(f"{file} lacks {', '.join(lacks[:3])}{more} of its {name}.")
