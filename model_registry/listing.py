"""What a repository holds at one commit, and which of it is worth downloading. Asks nobody."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

# The first of these that a repository has is taken: the others are the same weights once more.
_FORMATS: Sequence[tuple[str, ...]] = (
    (".safetensors",),
    (".bin",),
    (".onnx", ".onnx_data", ".onnx.data"),
    (".pt", ".pth"),
    (".ckpt",),
)
_TEXTS = (
    *(".json", ".txt", ".model", ".tiktoken", ".jinja", ".yaml", ".yml"),
    *(".vocab", ".bpe", ".spm", ".npy"),
)
_NOT_WEIGHTS = re.compile(r"(training_args|optimizer|scheduler|rng_state|openvino)[^/]*\.(bin|pt)")
_VARIANT = re.compile(r"[.-](fp16|bf16|fp32|fp8|int8|non_ema|ema)(?=[.-])")
_INDEX = re.compile(r"(\.\w+)\.index(\.\w+)?\.json$")
_OTHER_FORMS = {
    *("original", "onnx", "openvino", "coreml", "metal", "gguf", "ggml", "flax", "tf", "tflite"),
    *("mlx", "runs", "checkpoints", "assets", "images", "figures", "examples"),
}


@dataclass(frozen=True)
class HubFile:
    """`etag` is the hash of the content: SHA-256 of what lies in large-file storage, else git's."""

    path: str
    size: int
    etag: str

    def digest(self) -> Any:
        """A hash of the kind of `etag`, to be fed with the content."""
        if len(self.etag) == 64:
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)


@dataclass(frozen=True)
class Listing:
    """What a repository holds at one commit: this never changes, so it may be kept.

    `gated`: its terms have to be accepted on the Hub. `components` are the folders that a diffusers
    pipeline loads, None where it is none. `tags`, `task` and `library` are what its owner says it
    is. `renamed` is what it is called today, where that is not `repo`.
    """

    repo: str
    commit: str
    files: tuple[HubFile, ...]
    gated: bool = False
    components: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    task: str | None = None
    library: str | None = None
    renamed: str = ""

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Listing:
        """Raises `ValueError`, `TypeError` or `KeyError` where the text is no listing."""
        held = json.loads(text)
        files = tuple(HubFile(**each) for each in held.pop("files"))
        components, tags = held.pop("components"), tuple(held.pop("tags"))
        parts = None if components is None else tuple(components)
        return cls(files=files, components=parts, tags=tags, **held)


def choose(listing: Listing, patterns: Sequence[str] = ()) -> tuple[HubFile, ...]:
    """The files to download: those that match a pattern, else the usual ones. These are the weights
    in one format, without variants in other precisions and without the same in one large file, and
    what describes them.
    """
    if patterns:
        return tuple(
            file
            for file in listing.files
            if any(fnmatch.fnmatchcase(file.path, pattern) for pattern in patterns)
        )
    if listing.components is not None:
        below = [file for file in listing.files if _top(file) in ("", *listing.components)]
        groups = [
            [file for file in below if _top(file) == top and (top or not is_weights(file.path))]
            for top in ("", *listing.components)
        ]
    else:
        own = [file for file in listing.files if _top(file).lower() not in _OTHER_FORMS]
        groups = [own if any(is_weights(file.path) for file in own) else list(listing.files)]
    return tuple(file for group in groups for file in _usual(group))


def is_weights(path: str) -> bool:
    return any(_is_in(path, endings) for endings in _FORMATS)


def _usual(files: Sequence[HubFile]) -> Iterator[HubFile]:
    taken = next((e for e in _FORMATS if any(_is_in(file.path, e) for file in files)), ())
    weights = [file for file in files if taken and _is_in(file.path, taken)]
    whole = [file for file in weights if not PurePosixPath(file.path).name.startswith("consol")]
    texts = [file for file in files if _is_text(file.path, taken)]
    yield from _without_variants(texts)
    yield from _without_variants(whole or weights)


def _without_variants(files: Iterable[HubFile]) -> list[HubFile]:
    """Without what is there a second time in another precision; a variant alone stays."""
    names = {file.path: _VARIANT.sub("", file.path) for file in files}
    plain = {_stem(path) for path, bare in names.items() if path == bare}
    return [
        file
        for file in files
        if names[file.path] == file.path or _stem(names[file.path]) not in plain
    ]


def _stem(path: str) -> str:
    """A name without its number among shards: the same weights may be cut in other pieces."""
    return re.sub(r"-\d{5}-of-\d{5}|\.index(?=\.)", "", path).removesuffix(".json")


def _is_in(path: str, endings: Sequence[str]) -> bool:
    return path.endswith(tuple(endings)) and not _NOT_WEIGHTS.search(path)


def _is_text(path: str, taken: Sequence[str]) -> bool:
    if (index := _INDEX.search(path)) is not None:
        return index[1] in taken
    name = PurePosixPath(path).name
    return name.endswith(_TEXTS) or name.upper().startswith(("LICENSE", "NOTICE"))


def _top(file: HubFile) -> str:
    return file.path.partition("/")[0] if "/" in file.path else ""


def pipeline_components(index: Mapping[str, Any]) -> tuple[str, ...]:
    """The folders that a `model_index.json` names."""
    return tuple(
        name for name, each in index.items() if isinstance(each, list) and each and each[0]
    )
