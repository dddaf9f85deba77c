"""What a repository of the Hub says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from errors import BrokenModel
from model_registry.listing import Listing

READ = (
    "config.json", "model_index.json", "modules.json", "adapter_config.json",
    "tokenizer_config.json",
)  # fmt: skip
"""The small files that are read before it is decided what a repository is for."""


@dataclass(frozen=True)
class Facts:
    """A repository at one commit: its `listing`, and of its small files those that were read, by
    path, as JSON. `page` is its address for people.
    """

    listing: Listing
    json: Mapping[str, Any]
    page: str

    @property
    def repo(self) -> str:
        return self.listing.repo

    @property
    def config(self) -> Mapping[str, Any]:
        return self.json.get("config.json") or {}

    @property
    def architectures(self) -> Sequence[str]:
        return tuple(map(str, self.config.get("architectures") or ()))

    @property
    def kind(self) -> str:
        return str(self.config.get("model_type") or "")

    def has(self, pattern: str) -> bool:
        return any(re.fullmatch(pattern, file.path) for file in self.listing.files)

    def refusal(self, reason: str) -> BrokenModel:
        return BrokenModel(f"hf:{self.repo}", reason)
