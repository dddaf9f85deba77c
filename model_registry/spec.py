"""What a model is, as frozen plain data. Knows neither where it came from nor how it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

TRAINER = ":train"
"""What follows a version's id in that of its trainer."""


@dataclass(frozen=True)
class Code:
    """What a child process needs to load a runner; everything in it is text or a number.

    `folder` becomes the working directory and is importable. `target` is Cog's `file.py:Name`.
    `python` is the interpreter, None for the app's own. `weights` reaches `setup(weights)`, and
    `options` reach it as further keyword arguments. `concurrency` is what `cog.yaml` declares and
    wins over the decorator; None leaves it to the code. `packages` are what pip is to install into
    an environment of the model's own. `arguments` says by which name the code takes an input that
    the schema calls otherwise. `train` is the target of what trains, None where nothing does; with
    `trains` it is `target` itself that trains.
    """

    folder: str
    target: str
    python: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    weights: str | None = None
    concurrency: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    train: str | None = None
    trains: bool = False


@dataclass(frozen=True)
class Weights:
    """A repository of the Hub that a version needs. `role` is "" for the main one, else the name
    by which `setup(parts={role: folder})` gets its folder. Without a `revision` the first download
    on a machine pins one. `files` are patterns, none for the usual choice; `size` is in bytes, as
    the spec tells it.

    Until the folder is known, `place` stands for it in the version's code.
    """

    role: str
    repo: str
    revision: str | None = None
    files: tuple[str, ...] = ()
    size: int | None = None

    @property
    def place(self) -> str:
        return f"hub:{self.role}"


@dataclass(frozen=True)
class Rung:
    """One step of a precision ladder: what an instance holds on a GPU, in bytes, when it loads its
    weights at this precision (`bf16`, `fp8`, `int8`, `4bit`, `offload`, …).
    """

    precision: str
    memory: int


@dataclass(frozen=True)
class Origin:
    """Where the weights of a trained version come from: `parent` is `owner/name:id`, `training` the
    id of the one that gave them, `input` what it was given.
    """

    parent: str
    training: str
    input: Mapping[str, Any]


@dataclass(frozen=True)
class Version:
    """One immutable version of a model. `id` is 64 hex digits, a hash over code, weights and spec.

    `schema` is the OpenAPI document in Replicate's dialect (`components.schemas.Input` and
    `.Output`). `memory` is the estimate in bytes of what one instance holds, None if nobody said;
    on a GPU the `ladder` says it, best precision first, where there is one. `spreads` says that the
    code computes on all the GPUs that it sees, so that one instance may have several. `heavy` says
    that it imports torch, so that a spare child with it already imported is of use.
    """

    id: str
    model: str
    created_at: float
    schema: Mapping[str, Any]
    code: Code
    memory: int | None = None
    gpu: bool = False
    spreads: bool = False
    heavy: bool = False
    provisional: bool = False
    """Its schema was read from the source, for as long as its own environment is not there."""
    ladder: tuple[Rung, ...] = ()
    weights: tuple[Weights, ...] = ()
    """What has to be downloaded before it can run; empty where all is on disk from the start."""
    origin: Origin | None = None
    """Set where a training has given the weights."""

    @property
    def input_schema(self) -> Mapping[str, Any]:
        return self.schema["components"]["schemas"]["Input"]  # type: ignore[no-any-return]

    @property
    def output_schema(self) -> Mapping[str, Any]:
        return self.schema["components"]["schemas"]["Output"]  # type: ignore[no-any-return]

    @cached_property
    def trainer(self) -> Version | None:
        """The version as its trainings see it: the same code by its other door, with the trainer's
        inputs and outputs in the schema's usual places. It has instances of its own, and so an id
        of its own. None where nothing trains.
        """
        schemas = dict(self.schema["components"]["schemas"])
        # A document that Cog has left in the folder may be older than the trainer.
        if self.code.train is None or "TrainingInput" not in schemas:
            return None
        schemas |= {"Input": schemas["TrainingInput"], "Output": schemas["TrainingOutput"]}
        return replace(
            self,
            id=f"{self.id}{TRAINER}",
            schema={**self.schema, "components": {"schemas": schemas}},
            code=replace(
                self.code,
                target=self.code.train,
                train=None,
                trains=True,
                concurrency=None,
                arguments={},
            ),
            memory=None,
            spreads=False,
            ladder=(),
        )

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
class Damaged:
    """A version on record that cannot be used, and why."""

    id: str
    created_at: float
    reason: str


@dataclass(frozen=True)
class Model:
    """One model of the registry. `versions` has the newest first. It is empty only for what was
    published without one yet, which the catalog keeps apart.
    """

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
    variants: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Input → its value → the model that answers to it: where one name has several weights, each
    are a model of their own here.
    """
    verified: str | None = None
    """On what our code for it has been run: `tiny` checkpoints of the same classes, those at their
    true size on a `gpu`, the real `weights`. None where the weights ship or the code is a user's.
    """
    warnings: tuple[str, ...] = ()
    """What this machine cannot give the model (system packages, build steps), one line each."""
    cover: str | None = None
    live: bool = False
    """Read from a person's own folder: what is edited there is the next version."""
    published: bool = False
    """Pushed into this Atelier's store, where versions stay as they are until they are deleted."""
    damaged: tuple[Damaged, ...] = ()
    """What was pushed and is no longer whole, the newest first."""
    visibility: str = "public"
    github_url: str | None = None
    paper_url: str | None = None
    license_url: str | None = None

    @property
    def id(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def latest(self) -> Version:
        """The newest that can be used."""
        return self.versions[0]

    def variant(self, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """The name of the model that inputs choose, and what they are for that one."""
        for name, models in self.variants.items():
            chosen = models.get(str(inputs.get(name)), self.id)
            if chosen != self.id:
                return chosen, {key: each for key, each in inputs.items() if key != name}
        return self.id, inputs

    @property
    def refusal(self) -> str:
        """Why the model's name alone says nothing that may be run: its newest version is damaged,
        and an older one is not what was asked for. "" where it is whole.
        """
        newest = next(iter(self.damaged), None)
        if newest is None or newest.created_at < self.latest.created_at:
            return ""
        return (
            f"{newest.reason} Push it again, or ask for an older one by its id, such as "
            f"{self.id}:{self.latest.id}."
        )
