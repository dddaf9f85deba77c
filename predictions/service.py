"""All that a face may call: create, follow, cancel, list. Knows neither HTTP nor widgets.

A prediction is committed before it is announced, folded from the pool's events by `advance`, and
its end is committed before anybody is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any

from errors import AtelierError, CannotKeep, InUse, NotFound
from model_registry import inputs as model_inputs
from model_registry import inventory
from model_registry.catalog import Catalog
from model_registry.downloads import Downloads
from model_registry.spec import Version
from predictions.callers import EVERYBODY, Caller
from predictions.deployments import Deployments
from predictions.files import Files, Signer
from predictions.input_files import InputFiles
from predictions.live import Live
from predictions.masking import MASKED
from predictions.prediction import Prediction, Status, advance
from predictions.preparation import Preparation
from predictions.provision import Provision
from predictions.publishing import Publishing
from predictions.retention import Retention
from predictions.store import EVERYTHING, Filter, Page, Position, Store, Totals, new_id
from predictions.trainings import Trainings
from predictions.unfinished import Unfinished
from predictions.webhooks import Webhooks
from settings import HubSettings
from workers import messages
from workers.pool import WorkerPool

INTERRUPTED = "Atelier was stopped or killed while this was running. Run it again."
_KEPT_WITHIN = 10.0
"""Seconds for which who cancels waits until that is on record."""
_SHOW_LIFE_EVERY = 5.0
"""Seconds by which a run that a kill interrupts may be charged too little."""


class PredictionService:
    def __init__(
        self,
        catalog: Catalog,
        store: Store,
        files: Files,
        pool: WorkerPool,
        signer: Signer,
        offline: bool = False,
        webhooks: Webhooks | None = None,
        allow_private: bool = False,
        downloads: Downloads | None = None,
        retention: float | None = None,
    ) -> None:
        """`webhooks` None: nobody is told. `allow_private`: files may be fetched from addresses of
        this machine and its network. `downloads` None: from the Hub, to beside the files.
        `retention`: seconds after which ended predictions lose their data, None for never.
        """
        self.catalog = catalog
        self.files = files
        self.signer = signer
        self.pool = pool
        self._store = store
        self._input_files = InputFiles(files, offline, allow_private)
        self.webhooks = webhooks
        self.downloads = downloads or Downloads(HubSettings(), files.root.parent, offline)
        self._tasks: set[asyncio.Task[None]] = set()
        self.trainings = Trainings(catalog, files)
        self._live = Live()
        self._unfinished = Unfinished(
            store,
            files,
            self._live,
            stop=lambda prediction_id: self._preparation.give_up(prediction_id),
            trained=lambda training, end: self._spawn(self._keep_trained(training, end)),
            recorded=self.trainings.forget,
        )
        self._provision = Provision(self.downloads, self._unfinished.fold)
        self._preparation = Preparation(
            catalog,
            files,
            self._input_files,
            self._provision,
            self.trainings,
            pool,
            self._unfinished,
        )
        self.retention = Retention(store, files, retention)
        self.deployments = Deployments(store, catalog, pool, self.downloads, self._spawn)
        self.publishing = Publishing(
            catalog, self.deployments, lambda: self._unfinished, allow_private
        )
        pool.events = self._unfinished.fold

    async def start(self) -> None:
        """Takes up what an earlier run of the app has left: queued predictions run, those that were
        running have failed.
        """
        await self.pool.start()
        await self.deployments.start()
        # Asked first: who attends to what ends below tells of that end.
        owing = await self._store.owing()
        unfinished = await self._store.unfinished()
        killed_at = await self._store.last_alive()
        await self.files.sweep([each.id for each in unfinished])
        await self.trainings.sweep()
        for prediction in unfinished:
            self._open(prediction)
            if prediction.status is Status.STARTING:
                self._spawn(self._preparation.resume(prediction))
                continue
            ran = max(0.0, killed_at - (prediction.started_at or killed_at))
            if prediction.is_training and (version := self.trainings.kept(prediction)):
                self._end_training(prediction, version, ran)
            else:
                self._unfinished.fold([messages.Failed(prediction.id, INTERRUPTED, seconds=ran)])
        if self.webhooks is not None:
            for prediction in owing:
                self._spawn(self.webhooks.complete(prediction))
        self._spawn(self._show_life())
        self._spawn(self.retention.run())
        self._spawn(self.publishing.run())

    async def stop(self) -> None:
        """Ends all children, writes what is left to write and closes the store."""
        if self.webhooks is not None:
            await self.webhooks.finish()
        for task in list(self._tasks):
            task.cancel()
        self.catalog.close()
        await self._provision.stop()
        await self.pool.stop()
        if self.webhooks is not None:
            await self.webhooks.close()
        self._unfinished.close()
        await asyncio.to_thread(self._store.close)

    # --- what a face calls

    async def create(
        self,
        reference: str,
        inputs: Mapping[str, Any],
        *,
        source: str = "api",
        caller: Caller = EVERYBODY,
        deadline: float | None = None,
        webhook: str | None = None,
        webhook_events_filter: tuple[str, ...] | None = None,
        origin: str = "",
        deployment: str | None = None,
        destination: str | None = None,
        trains: bool = False,
        context: Mapping[str, str] | None = None,
        called: str = "",
    ) -> Prediction:
        """A new prediction, committed to the store before it is returned. With a `destination` it
        is a training, whose weights become a version of that model; one that only `trains` gives
        what its trainer returns, and nothing is made of it.

        `reference` is `owner/name`, `owner/name:version` or a bare version id. File inputs are
        strings: `http(s)` URLs, `data:` URIs, URLs of our own files (`…/v1/files/<id>`,
        `…/v1/outputs/<id>/<name>`), or `{"atelier:file": file id}`. `deadline` is in Unix seconds.
        `origin` is the address under which the caller reached us, `called` the id that the caller
        goes by; `context` reaches the model's code.
        Raises `NotFound`, `InvalidVersion`, `InvalidDestination`, `InvalidInput`, `FileTooLarge`,
        `BrokenModel`, `ConsentNeeded`, `CannotDownload`.
        """
        pinned = version = await self.catalog.fresh(reference)
        model = self.catalog.find(version.model)
        chosen, others = model.variant(inputs)
        if reference == model.id != chosen:  # what is pinned, by hand or by a deployment, stays
            pinned = version = await self.catalog.fresh(chosen)
            inputs = others
        if destination is not None:
            version = self.trainings.trainer(version)
            self.trainings.check_destination(destination, caller)
        elif trains:
            version = self.trainings.bare_trainer(version)
            destination = ""
        complete = model_inputs.check(version.schema, inputs)
        await self._provision.check(self.catalog.find(version.model), version)
        prediction_id = new_id()
        given = {name: complete[name] for name in inputs if name in complete}
        given = await self._input_files.keep(version.schema, given, prediction_id, caller)
        secrets = model_inputs.secrets(version.schema)
        prediction = Prediction(
            id=prediction_id,
            model=version.model,
            version=pinned.id,
            input={name: MASKED if name in secrets else value for name, value in given.items()},
            created_at=time.time(),
            source=source,
            owner=caller.owner,
            deadline=deadline,
            webhook=webhook,
            webhook_events_filter=webhook_events_filter,
            origin=origin,
            deployment=deployment,
            destination=destination,
            context=dict(context or {}),
            called=called,
        )
        try:
            await self._store.save(prediction)
        except asyncio.CancelledError:  # nobody waits for the id, and nothing will run it
            self._store.save_soon(
                advance(prediction, messages.Canceled(prediction_id), time.time())
            )
            raise
        self._unfinished.masks.remember(prediction_id, secrets, complete)
        self._open(prediction)
        complete.update(given)
        if destination or version.weights or InputFiles.any(version.schema, complete):
            self._spawn(self._preparation.submit_when_ready(prediction, version, complete))
        else:
            self._preparation.submit(prediction, version, complete)
        return prediction

    async def get(self, prediction_id: str, caller: Caller = EVERYBODY) -> Prediction:
        """The prediction as it is now. Raises `NotFound`, also for what the caller may not see."""
        prediction = self._live.latest(prediction_id) or await self._store.get(prediction_id)
        if prediction is None or not caller.sees(prediction.owner):
            raise NotFound("Prediction", prediction_id)
        return prediction

    async def follow(self, prediction_id: str) -> AsyncIterator[Prediction]:
        """The newest snapshot at once, then each newer one; ends after the terminal one. Raises
        `NotFound`.

        A slow reader skips snapshots but loses nothing: outputs and logs only grow from one
        snapshot to the next.
        """
        if prediction_id in self._live:
            async for prediction in self._live.follow(prediction_id):
                yield prediction
        else:
            yield await self.get(prediction_id)

    async def newer(self, seen: Prediction, seconds: float) -> Prediction:
        """A newer snapshot as `follow` gives it, or `seen` itself if none has come in `seconds`."""
        return await self._live.newer(seen, seconds) or await self.get(seen.id)

    def version_of(self, prediction: Prediction) -> Version:
        """What a prediction runs: its version, or what trains it. Raises `NotFound`,
        `InvalidVersion`, `BrokenModel`.
        """
        return self.trainings.version_of(prediction)

    async def wait(self, prediction_id: str, seconds: float) -> Prediction:
        """The prediction once it is terminal, or as it is after `seconds`. Raises `NotFound`."""
        return await self._live.ended(prediction_id, seconds) or await self.get(prediction_id)

    async def cancel(self, prediction_id: str, caller: Caller = EVERYBODY) -> Prediction:
        """The prediction, canceled, if it had not ended already. Its run is stopped at once. Raises
        `NotFound`, and `CannotKeep` where its end could not be put on record in time: it will be.
        """
        if not caller.sees_all:
            await self.get(prediction_id, caller)
        if prediction_id in self._unfinished:
            self._unfinished.end(prediction_id, messages.Canceled(prediction_id))
            ended = await self.wait(prediction_id, _KEPT_WITHIN)
            if not ended.status.terminal:
                raise CannotKeep("the run was stopped, but that is not on record yet")
            return ended
        return await self.get(prediction_id)

    async def list(
        self,
        filter: Filter = EVERYTHING,
        *,
        limit: int = 100,
        before: Position | None = None,
        after: Position | None = None,
    ) -> Page:
        """A page of predictions, newest first; `before` and `after` are a former page's `next` and
        `previous`.
        """
        page = await self._store.list(filter, limit, before, after)
        latest = tuple(self._live.latest(stored.id) or stored for stored in page.predictions)
        return Page(latest, page.next, page.previous)

    async def totals(self, filter: Filter = EVERYTHING) -> Totals:
        return await self._store.totals(filter)

    async def run_counts(self) -> dict[str, int]:
        """How many predictions each model has had, by `owner/name`."""
        return await self._store.run_counts()

    async def last_runs(self) -> dict[str, float]:
        """When each model was last asked for, by `owner/name`, in Unix seconds."""
        return await self._store.last_runs()

    async def inventory(self) -> inventory.Inventory:
        """The weights on disk."""
        return await asyncio.to_thread(inventory.take, self.catalog.models(), self.downloads)

    async def remove_weights(self, repo: str) -> None:
        """Removes a repository from disk; the next run that needs it downloads it again. Raises
        `InUse` while something needs it.
        """
        needed = any(self._needs(each, repo) for each in self._unfinished)
        if needed or repo in self.downloads.running():
            raise InUse(f"{repo} is in use. Wait for what runs with it to end, or cancel it.")
        await asyncio.to_thread(self.downloads.shelf.cache.remove, repo)

    def _needs(self, prediction: Prediction, repo: str) -> bool:
        try:
            version = self.catalog.resolve(f"{prediction.model}:{prediction.version}")
        except AtelierError:
            return False
        return any(weights.repo == repo for weights in version.weights)

    # --- what becomes of it

    def _open(self, prediction: Prediction) -> None:
        self._unfinished.open(prediction)
        if self.webhooks is not None and prediction.webhook is not None:
            told = prediction if prediction.status is Status.PROCESSING else None
            self._spawn(self.webhooks.attend(self.follow(prediction.id), self.wait, told))

    async def _keep_trained(self, training: Prediction, ended: messages.Succeeded) -> None:
        """A training has succeeded once its weights are a version."""
        try:
            version = await self.trainings.keep(
                training, lambda: self._unfinished.is_open(training.id)
            )
        except Exception as error:  # whatever it is, the training must not run for ever
            reason = f"It was trained, but its weights could not be kept: {error}"
            self._unfinished.end(
                training.id, messages.Failed(training.id, reason, seconds=ended.seconds)
            )
        else:
            if version is not None:
                self._end_training(training, version, ended.seconds)

    def _end_training(self, training: Prediction, version: Version, seconds: float | None) -> None:
        self._unfinished.fold([messages.Trained(training.id, f"{version.model}:{version.id}")])
        self._unfinished.end(training.id, messages.Succeeded(training.id, seconds))

    async def _show_life(self) -> None:
        """So that what a kill interrupts is charged for no longer than it ran."""
        while True:
            if any(each.status is Status.PROCESSING for each in self._unfinished):
                self._store.show_life(time.time())
            await asyncio.sleep(_SHOW_LIFE_EVERY)

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
