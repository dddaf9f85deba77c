"""Holds the instances: starts, feeds, watches and evicts them. Order is the scheduler's, state is
the predictions' core's.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path

import msgspec

from errors import CannotBuild
from model_registry.spec import Version
from settings import PoolSettings
from workers import memory, messages
from workers.devices import Device, free_now
from workers.environments import Environments
from workers.floor import Occupant
from workers.instance import Instance, Limits
from workers.job import Job, Running
from workers.job_queue import JobQueue
from workers.messages import Event
from workers.process import ChildProcess, end_what_is_left
from workers.reservations import Reservation, Reservations
from workers.scheduler import (
    Feed,
    Group,
    Kept,
    Launch,
    Refuse,
    decide,
    may_spread,
    refusal,
    relieve,
)
from workers.spares import Spares
from workers.standing import Setups, Standing
from workers.waiting import Board

STOPPED = "Atelier was stopped while this was running. Run it again."
_TICK = 1.0


class WorkerPool:
    """`events` is called on the event loop with what happens to predictions, in order; set it
    before `start`. `why_gone` says why a version's code is no longer what its id names, "" if it
    is; it is asked in a thread before an instance is launched. A version with packages of its own
    runs in one of the `environments`.
    """

    def __init__(
        self,
        settings: PoolSettings,
        devices: Sequence[Device],
        work: Path,
        why_gone: Callable[[Version], str] = lambda version: "",
        environments: Environments | None = None,
    ) -> None:
        self.events: Callable[[Sequence[Event]], None] = lambda events: None
        self._why_gone = why_gone
        self._environments = environments or Environments(work.parent / "environments")
        self.devices = devices
        self._settings = settings
        self._work = work
        self._limits = Limits(settings.setup_timeout, settings.run_timeout, settings.cancel_grace)
        self._train_limits = dataclasses.replace(self._limits, run=settings.train_timeout)
        self._queue = JobQueue()
        self._numbers = 0
        self._instances: dict[str, Instance] = {}
        self._spares = Spares(settings.spares)
        self._tasks: set[asyncio.Task[None]] = set()
        self._known = memory.Known()
        self._others: list[Occupant] = []
        """What other programs hold on the GPUs, beyond what they held at the start."""
        self._board = Board()
        self._reservations = Reservations()
        self._setups = Setups()
        self._stopping = False
        self._wake = asyncio.Event()

    async def start(self) -> None:
        await asyncio.to_thread(end_what_is_left, self._work)
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True, exist_ok=True)
        self._spawn(self._tick())
        self._spawn(self._keep_spares())

    async def stop(self) -> None:
        """Ends every child. What ran is failed with a reason; what is queued stays in the store and
        runs at the next start.
        """
        self._stopping = True
        self._queue.clear()
        for instance in list(self._instances.values()):
            instance.leave(STOPPED)
        self._wake.set()
        await self._environments.stop()
        # A child that is just being started is waited for: only then is there something to end.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        leaving = [instance.left() for instance in self._instances.values()]
        await asyncio.gather(*leaving, self._spares.end())

    async def _pause(self) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wake.wait(), _TICK)

    def submit(self, job: Job) -> None:
        """Queues a prediction. From here on `events` tells what becomes of it."""
        self._queue.add(job)
        self._advance()
        if job.attempts == 0 and self._queue.holds_last(job):
            # Those before it are told once a second, all together.
            ahead = len(self._queue.waiting_for(job.version.id)) - 1
            self.events([self._board.first(job, ahead, self._instances.values())])

    def cancel(self, prediction_id: str) -> None:
        """Stops a prediction wherever it is. The record is the caller's: no event is owed for it
        any more.
        """
        if self._queue.remove(prediction_id):
            return
        for instance in self._instances.values():
            instance.stop_prediction(prediction_id)

    def reserve(self, reservations: Iterable[Reservation]) -> None:
        """From now on these and no others are reserved. Of one version the largest numbers hold."""
        self._reservations = Reservations(reservations)
        self._setups.watch(self._reservations)
        self._advance()

    def is_warm(self, version_id: str) -> bool:
        """Whether an instance of the version is loaded and ready. The page asks from threads."""
        return bool(self._ready_of(version_id))

    def standing(self, version_id: str) -> Standing:
        """How a reserved version is doing."""
        return self._setups.standing(version_id, self._instances.values())

    def refusal(self, version: Version) -> str:
        """Why it can never run on this machine, its weights on disk or not; "" where it may."""
        group = self._group(version)
        reason = refusal(group, self.devices)
        return reason and reason + memory.would_fit(version, self.devices)

    async def trouble(self, version_id: str, seconds: float) -> str:
        """What ails the ready instances of a version by the model's own account, "" if nothing
        does. Waits for each for so many seconds at most.
        """
        answers = await asyncio.gather(*(i.health(seconds) for i in self._ready_of(version_id)))
        return next(filter(None, answers), "")

    def _ready_of(self, version_id: str) -> list[Instance]:
        """The loaded instances of a version that take predictions."""
        return [i for i in self._of(version_id) if i.concurrency and not i.leaving]

    def _of(self, version_id: str) -> list[Instance]:
        # A copy is looked through: other threads ask as well.
        return [i for i in list(self._instances.values()) if i.version.id == version_id]

    # --- what instances report

    def emit(self, events: Sequence[Event]) -> None:
        self.events(events)

    def ready(self, instance: Instance) -> None:
        self._setups.ended(instance)
        self._advance()

    def slot_freed(self, instance: Instance) -> None:
        self._learn(instance, instance.held)
        self._advance()

    def ran_out(self, instance: Instance, running: Running, failed: messages.Failed) -> None:
        """A run found no more memory: once it may try with less, if it has put out nothing yet."""
        version, device, job = instance.version, instance.device, running.job
        lower = memory.next_lower(version, instance.precision)
        self._known.run_ran_out(version, instance.precision, device, job.below)
        if self._stopping or lower is None or running.put_out or job.below:
            said = f"{failed.reason}\n{failed.traceback}"
            told = memory.ran_out(version, device, instance.precision, instance.held, said)
            self.events([msgspec.structs.replace(failed, reason=told)])
            return
        told = memory.tried_again(device, instance.precision, failed.reason)
        self.events([messages.Log(job.prediction_id, told)])
        job.below = instance.precision
        self._queue.put_back(job)
        self._advance()

    def gone(self, instance: Instance, unstarted: list[Job]) -> None:
        self._instances.pop(instance.id, None)
        if instance.setup.failure is None and not self._of(instance.version.id):
            self._known.none_is_left(instance.version)
        for job in unstarted:
            self._queue.put_back(job)
        if not self._stopping:
            if instance.setup.failure is not None:
                self._setups.ended(instance)
                self._setup_failed(instance, instance.setup.failure)
            self._advance()

    def _setup_failed(self, instance: Instance, failure: messages.SetupFailed) -> None:
        """All that wait for the version fail with it, unless a lower precision is left to try."""
        version, device = instance.version, instance.device
        self._reservations.rest(version.id)
        waiting = self._queue.waiting_for(version.id)
        if failure.out_of_memory:
            served = any(not each.leaving for each in self._of(version.id))
            lower = memory.next_lower(version, instance.precision)
            wider = may_spread(self._group(version), device, self.devices)
            if served or wider or lower is not None:
                self._known.ran_out(version, instance.precision, device)
                told = memory.tried_again(device, instance.precision, failure.reason)
                self.events([messages.Log(job.prediction_id, told) for job in waiting])
                return
            said, held = f"{failure.reason}\n{failure.traceback}", instance.held
            told = memory.ran_out(version, device, instance.precision, held, said, loading=True)
            failure = msgspec.structs.replace(failure, reason=told)
        self._queue.take(version.id)
        if waiting:
            failed = instance.setup.failed
            self.events([failed(version.model, failure, job.prediction_id) for job in waiting])

    def _learn(self, instance: Instance, held: int) -> None:
        """What an instance that has run holds is what the next one of its kind will need."""
        if instance.completed:
            self._known.saw(instance.version, instance.precision, instance.device, held)

    # --- what the scheduler is told

    def _group(self, version: Version) -> Group:
        """What an instance of a version takes; nobody waits for it here."""
        return Group(
            version=version.id,
            owner="",
            oldest=0,
            memory=version.memory,
            gpu=version.gpu,
            ladder=memory.ladder(version),
            measured=self._known.measured(version),
            too_large=self._known.too_large(version),
            most=self._reservations.most(version.id),
            spreads=version.spreads,
        )

    # --- carrying out what the scheduler decides

    def _advance(self) -> None:
        while (self._queue or self._reservations) and not self._stopping:
            running = Counter(
                r.job.owner for i in self._instances.values() for r in i.running.values()
            )
            occupants = [*self._occupants(), *self._others]
            groups = self._queue.groups(self._group)
            kept = [Kept(self._group(r.version), r.fewest) for r in self._reservations.due()]
            decision = decide(groups, occupants, self.devices, running, kept)
            match decision:
                case Feed():
                    self._feed(decision)
                case Launch():
                    self._launch(decision)
                case Refuse(version=version, reason=reason):
                    for job in self._queue.take(version):
                        told = reason + memory.would_fit(job.version, self.devices)
                        self.events([messages.Failed(job.prediction_id, told)])
                case None:
                    return

    def _occupants(self) -> list[Occupant]:
        """All instances as the scheduler sees them."""
        return self._reservations.pinned([i.occupant() for i in self._instances.values()])

    def _feed(self, feed: Feed) -> None:
        job = self._queue.next(feed.version, feed.owner, feed.below)
        self._board.left(job)
        instance = self._instances[feed.instance]
        told = memory.lowered(job.version, instance.precision, instance.device)
        if told := memory.spread(instance.device) + told:
            self.events([messages.Log(job.prediction_id, told)])
        instance.run(job)

    def _launch(self, launch: Launch) -> None:
        device = next(device for device in self.devices if device.name == launch.device)
        waiting = self._queue.waiting_for(launch.version)
        version = waiting[0].version if waiting else self._reservations[launch.version].version
        self._numbers += 1
        name = f"{self._numbers}-{version.id[:8]}"
        limits = self._train_limits if version.code.trains else self._limits
        instance = Instance(name, version, device, launch, self._work / name, limits, self)
        self._instances[name] = instance
        self._setups.began(instance)
        evicted = [self._instances[each] for each in launch.evict]
        for each in evicted:
            each.leave()
        self._spawn(self._start(instance, evicted))

    async def _start(self, instance: Instance, evicted: Iterable[Instance]) -> None:
        for each in evicted:
            await each.left()
        version = instance.version
        try:
            refusal = await asyncio.to_thread(self._why_gone, version)
            child = None
            if not refusal:
                child = self._spares.take(version) or await ChildProcess.start(
                    await self._python_for(instance), instance.device.environment
                )
        except CannotBuild as error:
            refusal, child = str(error), None
        except Exception as error:  # whatever it is, nobody may wait for it for ever
            refusal, child = f"Its process could not be started: {error}.", None
        if child is None:
            instance.refuse(refusal)
        else:
            await instance.start(child)

    async def _python_for(self, instance: Instance) -> str | None:
        """The interpreter of the model's own environment, built first where it is not there yet:
        who waits for it sees that go on. Raises `CannotBuild`.
        """
        version = instance.version

        def said(line: str) -> None:
            instance.setup.tell(line)
            waiting = self._queue.waiting_for(version.id)
            self.events([messages.Log(job.prediction_id, f"{line}\n") for job in waiting])
            self._announce()

        if version.code.python or not version.code.packages:
            return version.code.python
        return str(await self._environments.build(version.code.packages, said))

    async def _keep_spares(self) -> None:
        while self._spares.count and not self._stopping:
            await self._pause()
            instances = self._instances.values()
            loads = any(each.loading for each in instances)
            await self._spares.refill(loads, runs=any(each.running for each in instances))

    # --- once a second

    async def _tick(self) -> None:
        while not self._stopping:
            await self._pause()
            self._evict_idle()
            self._announce()
            if self._reservations:
                self._advance()
            await self._watch_memory()
            await self._look_at_gpus()

    def _evict_idle(self) -> None:
        longest = time.monotonic() - self._settings.idle_timeout
        for occupant in self._occupants():
            if occupant.evictable and occupant.used < longest:
                self._instances[occupant.id].leave()

    def _announce(self) -> None:
        """Tells those who wait what they wait for, where that has changed."""
        changes = self._board.changes(self._queue, self._instances.values())
        if changes:
            self.events(changes)

    async def _watch_memory(self) -> None:
        """Ends instances on the CPU when all together hold more than models may, before the system
        picks a victim: idle ones, and the largest where that is not enough.
        """
        cpu = next((device for device in self.devices if not device.gpu), None)
        held = {
            i.id: i.pid
            for i in self._instances.values()
            if i.device is cpu and i.pid and not i.leaving
        }
        if cpu is None or not held:
            return
        resident = await asyncio.to_thread(memory.resident, held.values())
        sizes = {id: resident[pid] for id, pid in held.items()}
        for id, size in sizes.items():
            if id in self._instances:
                self._learn(self._instances[id], size)
                self._instances[id].resident = max(self._instances[id].resident, size)
        idle, largest = relieve(self._occupants(), sizes, cpu.memory)
        for id in idle:
            self._instances[id].leave()
        if largest in self._instances:
            version = self._instances[largest].version
            self._instances[largest].leave(memory.stopped(version, sizes[largest], cpu))

    async def _look_at_gpus(self) -> None:
        """Other programs come and go: what they take is room that no instance can have."""
        free = await asyncio.to_thread(free_now, self.devices)
        before, self._others = self._others, memory.others(self.devices, self._occupants(), free)
        if self._others != before:
            self._advance()

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
