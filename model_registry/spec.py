"""What a model is, as frozen plain data. Knows neither where it came from nor how it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Code:
    """What a child process needs to load a runner; everything in it is text or a number.

    `folder` becomes the working directory and is importable. `target` is Cog's `file.py:Name`.
    `python` is the interpreter, None for the app's own. `weights` reaches `setup(weights)`.
    `concurrency` is what `cog.yaml` declares and wins over the decorator; None leaves it to the
    code.
    """

    folder: str
    target: str
    python: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    weights: str | None = None
    concurrency: int | None = None


@dataclass(frozen=True)
class Version:
    """One immutable version of a model. `id` is 64 hex digits, a hash over code, weights and spec.

    `schema` is the OpenAPI document in Replicate's dialect (`components.schemas.Input` and
    `.Output`). `memory` is the estimate in bytes of what one instance holds, None if nobody said.
    `heavy` says that the code imports torch, so that a spare child with it already imported is of
    use.
    """

    id: str
    model: str
    created_at: float
    schema: Mapping[str, Any]
    code: Code
    memory: int | None = None
    gpu: bool = False
    heavy: bool = False

    @property
    def input_schema(self) -> Mapping[str, Any]:
        return self.schema["components"]["schemas"]["Input"]  # type: ignore[no-any-return]

    @property
    def output_schema(self) -> Mapping[str, Any]:
        return self.schema["components"]["schemas"]["Output"]  # type: ignore[no-any-return]

    @property
    def streams(self) -> bool:
        """Whether outputs arrive piece by piece (Cog's iterator types)."""
        return self.output_schema.get("x-cog-array-type") == "iterator"

    @property
    def concatenates(self) -> bool:
        """Whether the pieces are one text, to be joined with nothing between them."""
        return self.output_schema.get("x-cog-array-display") == "concatenate"


@dataclass(frozen=True)
class Licence:
    """`name` as people know it ("Apache-2.0"); flags that a person must see before a first
    download.
    """

    name: str
    url: str | None = None
    non_commercial: bool = False
    gated: bool = False
    territory: str | None = None


@dataclass(frozen=True)
class Example:
    """Inputs that show the model well; `title` is one short line."""

    title: str
    input: Mapping[str, Any]


@dataclass(frozen=True)
class Model:
    """One model of the registry. `versions` has the newest first and is never empty."""

    owner: str
    name: str
    versions: tuple[Version, ...]
    description: str = ""
    category: str = "other"
    licence: Licence | None = None
    examples: tuple[Example, ...] = ()
    readme: str | None = None
    toy: bool = False
    """A starter: tiny weights that prove the pipes. Shown as what it is."""
    featured: bool = False
    """Shown first to who has chosen nothing yet."""
    stand_in_for: str | None = None
    """Set when the named weights are closed and others answer to the name; always shown."""
    warnings: tuple[str, ...] = ()
    """What this machine cannot give the model (system packages, build steps), one line each."""
    cover: str | None = None

    @property
    def id(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def latest(self) -> Version:
        return self.versions[0]
