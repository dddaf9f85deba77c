"""What a repository of the Hub says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from typing import Any

from errors import BrokenModel
from model_registry.listing import HubFile, Listing
from model_registry.sizes import written

READ = (
    "config.json", "model_index.json", "modules.json", "adapter_config.json",
    "tokenizer_config.json", "generation_config.json",
)  # fmt: skip
"""The small files that are read before it is decided what a repository is for."""


_LIBRARIES = ("transformers", "diffusers", "sentence-transformers", "safetensors", "peft")


@dataclass(frozen=True)
class Facts:
    """A repository at one commit: its `listing`, and of its small files those that were read, by
    path, as JSON. `page` is its address for people, `card` the text of its README, `file` the only
    one of its files that a person wants.
    """

    listing: Listing
    json: Mapping[str, Any]
    page: str
    card: str = ""
    file: str = ""

    @property
    def repo(self) -> str:
        return self.listing.repo

    @property
    def config(self) -> Mapping[str, Any]:
        return self.part_of("config.json")

    def part_of(self, path: str) -> Mapping[str, Any]:
        """What a file holds; nothing where it is not there, or holds something else."""
        held = self.json.get(path)
        return held if isinstance(held, dict) else {}

    def part(self, name: str) -> Mapping[str, Any]:
        """An object in config.json; an empty one where it is something else."""
        held = self.config.get(name)
        return held if isinstance(held, dict) else {}

    @property
    def architectures(self) -> Sequence[str]:
        named = self.config.get("architectures") or ()
        return (named,) if isinstance(named, str) else tuple(map(str, named))

    @property
    def base(self) -> str:
        """The repository that this one was made from, if its owner says so; else empty."""
        said = [tag for tag in self.listing.tags if tag.startswith("base_model:")]
        return min((tag.rpartition(":")[2] for tag in said), default="")

    @property
    def original(self) -> str:
        """The same for people, after "add"."""
        return f"hf:{self.base}" if self.base else "the repository that they were made from"

    @property
    def library(self) -> str:
        """The library that it is made for, where that is none whose models run here."""
        if "pretrained_cfg" in self.config:
            return "timm"
        named = self.listing.library or ""
        return "" if named in _LIBRARIES else named

    @property
    def kind(self) -> str:
        return str(self.config.get("model_type") or "")

    def weights(self, files: Sequence[HubFile]) -> dict[str, Any]:
        """Those files of it, as a spec names them."""
        return {
            "repo": self.repo,
            "revision": self.listing.commit,
            "files": [escape(file.path) for file in files],
            "size": written(sum(file.size for file in files)),
        }

    def has(self, pattern: str) -> bool:
        return any(re.fullmatch(pattern, file.path) for file in self.listing.files)

    def refusal(self, reason: str) -> BrokenModel:
        return BrokenModel(f"hf:{self.repo}", reason)
