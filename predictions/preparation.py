"""What stands between a prediction on record and the pool: its files are fetched, its weights
downloaded, its code kept.
"""

from __future__ import annotations

from typing import Any

from errors import AtelierError
from model_registry import inputs as model_inputs
from model_registry.catalog import Catalog
from model_registry.spec import Version
from predictions.files import Files
from predictions.input_files import InputFiles
from predictions.prediction import Prediction
from predictions.provision import Provision
from predictions.trainings import Trainings
from predictions.unfinished import Unfinished
from workers import messages
from workers.job import Job
from workers.pool import WorkerPool


class Preparation:
    """Whatever goes wrong on the way ends the prediction, which must not wait for ever."""

    def __init__(
        self,
        catalog: Catalog,
        files: Files,
        input_files: InputFiles,
        provision: Provision,
        trainings: Trainings,
        pool: WorkerPool,
        unfinished: Unfinished,
    ) -> None:
        self._catalog = catalog
        self._files = files
        self._input_files = input_files
        self._provision = provision
        self._trainings = trainings
        self._pool = pool
        self._unfinished = unfinished

    async def resume(self, prediction: Prediction) -> None:
        """Takes up what waited when the app was ended."""
        await self._catalog.described(prediction.model)
        try:
            version = self._trainings.version_of(prediction)
            complete = model_inputs.check(version.schema, prediction.input)
            await self._provision.check(self._catalog.find(version.model), version)
        except AtelierError as error:
            self._fail(prediction, f"Atelier was restarted and cannot run this. {error}")
            return
        if any(name in prediction.input for name in model_inputs.secrets(version.schema)):
            self._fail(
                prediction,
                "Atelier was restarted before this ran, and secret inputs are never stored. "
                "Run it again.",
            )
            return
        await self.submit_when_ready(prediction, version, complete)

    async def submit_when_ready(
        self, prediction: Prediction, version: Version, complete: dict[str, Any]
    ) -> None:
        """Submits it once what the pool has to have is on disk, unless it ends before that."""
        try:
            fetched = await self._input_files.fetch(
                version.schema, complete, prediction.id, prediction.owner
            )
            if fetched is None:
                return
            if self._unfinished.is_open(prediction.id) and version.weights:
                if reason := self._pool.refusal(version):  # before gigabytes come for nothing
                    self._fail(prediction, reason)
                    return
                provided = await self._provision.provide(prediction.id, version)
                if provided is None:
                    return
                version = provided
            if self._unfinished.is_open(prediction.id) and prediction.destination:
                await self._trainings.prepare(prediction)
        except (AtelierError, OSError) as error:
            self._fail(prediction, str(error))
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            self._fail(prediction, f"What it needs could not be fetched: {what}")
        else:
            self.submit(prediction, version, fetched)

    def submit(self, prediction: Prediction, version: Version, complete: dict[str, Any]) -> None:
        """Hands it to the pool, unless it has ended. `complete`: files are local paths."""
        if self._unfinished.is_open(prediction.id):
            folder = self._files.outputs_folder(prediction.id)
            owner, context = prediction.owner, prediction.context
            self._pool.submit(Job(prediction.id, version, complete, folder, owner, context))

    def give_up(self, prediction_id: str) -> None:
        """Nothing is done for it any more, be it on its way or in the pool."""
        self._input_files.give_up(prediction_id)
        self._provision.give_up(prediction_id)
        self._pool.cancel(prediction_id)

    def _fail(self, prediction: Prediction, reason: str) -> None:
        self._unfinished.fold([messages.Failed(prediction.id, reason)])
