"""What sets a training apart from a prediction: it needs a trainer and a destination, and the
weights that it gives become a version.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from cog.encoding import FILE
from errors import AtelierError, BrokenModel, InvalidDestination, InvalidVersion, NotFound
from model_registry.catalog import Catalog
from model_registry.inputs import resolve
from model_registry.spec import Origin, Version
from model_registry.trained import TrainedVersions
from predictions.callers import Caller
from predictions.files import Files
from predictions.prediction import Prediction
from predictions.references import reference_of


class Trainings:
    def __init__(self, catalog: Catalog, files: Files) -> None:
        self._catalog = catalog
        self._files = files
        self._parents: dict[str, Version] = {}
        """What is being trained, by training: its folder may be another version at the end."""

    async def sweep(self) -> None:
        """Removes what trainings that were killed have left, before there are others."""
        if self._catalog.trained is not None:
            await asyncio.to_thread(self._trained.sweep)

    def trainer(self, version: Version) -> Version:
        """What trains a version and gives weights. Raises `InvalidVersion` where nothing does."""
        trainer = self.bare_trainer(version)
        if self._catalog.trained is None or not gives_weights(trainer):
            reason = "Its trainer must return a cog.Path, or an object with `weights: cog.Path`."
            raise InvalidVersion(f"{version.model}:{version.id}", reason)
        return trainer

    def bare_trainer(self, version: Version) -> Version:
        """What trains a version, whatever it gives. Raises `InvalidVersion` where nothing does."""
        if version.trainer is None:
            reference = f"{version.model}:{version.id}"
            raise InvalidVersion(reference, "It cannot be trained: its cog.yaml has no `train:`.")
        return version.trainer

    def version_of(self, prediction: Prediction) -> Version:
        """What a prediction runs: its version, or what trains it. Raises `NotFound`,
        `InvalidVersion`, `BrokenModel`.
        """
        version = self._catalog.resolve(f"{prediction.model}:{prediction.version}")
        if prediction.destination:
            return self.trainer(version)
        return self.bare_trainer(version) if prediction.is_training else version

    def check_destination(self, name: str, caller: Caller) -> None:
        """Raises `InvalidDestination` for a model that is not there or not the caller's."""
        try:
            owner = self._catalog.known(name).owner
        except NotFound as error:
            raise InvalidDestination(name, f"cannot take the weights: {error}") from None
        if not self._catalog.may_be_trained(name):
            raise InvalidDestination(name, "comes with Atelier or from the Hub.")
        if not caller.sees_all and owner != caller.name:
            raise InvalidDestination(name, "is another's.")

    async def prepare(self, training: Prediction) -> None:
        """Keeps the code that is trained as it is now. Raises `BrokenModel` if it was edited,
        `InvalidVersion`.
        """
        version = self._catalog.resolve(f"{training.model}:{training.version}")
        await asyncio.to_thread(self._keep_code, version)
        self._parents[training.id] = version

    def _keep_code(self, version: Version) -> None:
        is_new = self._trained.keep_code(version)
        if reason := self._catalog.why_gone(version):
            if is_new:
                self._trained.forget_code(version)
            raise BrokenModel(version.model, reason)

    async def keep(self, training: Prediction, wanted: Callable[[], bool]) -> Version | None:
        """The version that the weights of a training are, in the catalog from now on; None if it is
        no longer `wanted` by then. Raises `NotFound`, `BrokenModel`, `OSError`.
        """
        assert training.destination is not None
        reference = weights_of(training.output)
        if reference is None:
            given = "nothing" if training.output is None else "no file of weights"
            raise BrokenModel(training.model, f"its trainer returned {given}.")
        self._catalog.known(training.destination)
        # By its place: that it is there is still being recorded in the store.
        path = self._files.outputs_folder(training.id) / reference.partition("/")[2]
        parent = self._as_known_now(self._parents[training.id])
        version = await asyncio.to_thread(
            self._trained.keep,
            parent,
            training.destination,
            path,
            Origin(f"{parent.model}:{parent.id}", training.id, training.input),
            time.time(),
        )
        if wanted():
            self._catalog.add_trained(version)
            return version
        if version.origin is not None and version.origin.training == training.id:
            await asyncio.to_thread(self._trained.remove, version)
        return None

    def _as_known_now(self, version: Version) -> Version:
        """With the schema that it has once its packages are installed, if it is there still."""
        try:
            return self._catalog.resolve(f"{version.model}:{version.id}")
        except AtelierError:
            return version

    def forget(self, training_id: str) -> None:
        """It has ended."""
        self._parents.pop(training_id, None)

    def kept(self, training: Prediction) -> Version | None:
        """The version that a training had made when the app was ended, before it could say so."""
        assert training.destination is not None
        try:
            versions = self._catalog.known(training.destination).versions
        except NotFound:
            return None
        made = (each for each in versions if each.origin and each.origin.training == training.id)
        return next(made, None)

    @property
    def _trained(self) -> TrainedVersions:
        assert self._catalog.trained is not None
        return self._catalog.trained


def gives_weights(trainer: Version) -> bool:
    """Whether what a trainer declares to return can hold weights: a file, or an object with
    `weights`.
    """
    output = resolve(trainer.output_schema, trainer.schema["components"]["schemas"])
    if output.get("type") != "object":
        return output.get("format") == "uri"
    return "properties" not in output or "weights" in output["properties"]


def as_output(value: Any) -> Any:
    """What a trainer has returned, as the output of a training: an object with `weights`."""
    return value if isinstance(value, Mapping) and FILE not in value else {"weights": value}


def weights_of(output: Any) -> str | None:
    """The reference of the weights in the output of a training."""
    return reference_of(output.get("weights")) if isinstance(output, Mapping) else None
