"""Holds the instances: starts, feeds, watches and evicts them. Order is the scheduler's, state is
the predictions' core's.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path

import psutil

from model_registry.spec import Version
from settings import PoolSettings
from workers import messages
from workers.devices import Device
from workers.instance import Instance, Job, Limits
from workers.messages import Event
from workers.process import ChildProcess
from workers.scheduler import Feed, Group, Launch, Refuse, decide

STOPPED = "Atelier was stopped while this was running. Run it again."
_TICK = 1.0


class WorkerPool:
    """`events` is called on the event loop with what happens to predictions, in order; set it
    before `start`. `why_gone` says why a version's code is no longer what its id names, "" if it
    is; it is asked in a thread before an instance is launched.
    """

    def __init__(
        self,
        settings: PoolSettings,
        devices: Sequence[Device],
        work: Path,
        why_gone: Callable[[Version], str] = lambda version: "",
    ) -> None:
        self.events: Callable[[Sequence[Event]], None] = lambda events: None
        self._why_gone = why_gone
        self.devices = devices
        self._settings = settings
        self._work = work
        self._limits = Limits(settings.setup_timeout, settings.run_timeout, settings.cancel_grace)
        self._queue: dict[tuple[str, str], deque[Job]] = {}
        self._order = 0
        self._numbers = 0
        self._instances: dict[str, Instance] = {}
        self._spares: list[ChildProcess] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._measured: dict[str, int] = {}
        self._announced: dict[str, str] = {}
        self._stopping = False
        self._wake = asyncio.Event()

    async def start(self) -> None:
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
        # A child that is just being started is waited for: only then is there something to end.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for child in self._spares:
            child.kill()
        leaving = [instance.left() for instance in self._instances.values()]
        await asyncio.gather(*leaving, *(child.gone.wait() for child in self._spares))

    async def _pause(self) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wake.wait(), _TICK)

    def submit(self, job: Job) -> None:
        """Queues a prediction. From here on `events` tells what becomes of it."""
        self._order += 1
        job.order = self._order
        self._enqueue(job)
        self._advance()
        if job.attempts == 0 and self._has_queued(job):
            self._announce_first(job)

    def cancel(self, prediction_id: str) -> None:
        """Stops a prediction wherever it is. The record is the caller's: no event is owed for it
        any more.
        """
        for key, queued in self._queue.items():
            for job in queued:
                if job.prediction_id == prediction_id:
                    queued.remove(job)
                    if not queued:
                        del self._queue[key]
                    return
        for instance in self._instances.values():
            instance.stop_prediction(prediction_id)

    def is_warm(self, version_id: str) -> bool:
        """Whether an instance of the version is loaded and ready."""
        return any(
            i.version.id == version_id and i.concurrency and not i.leaving
            for i in self._instances.values()
        )

    # --- what instances report

    def emit(self, events: Sequence[Event]) -> None:
        self.events(events)

    def ready(self, instance: Instance) -> None:
        self._advance()

    def slot_freed(self, instance: Instance) -> None:
        self._advance()

    def gone(self, instance: Instance, unstarted: list[Job]) -> None:
        self._instances.pop(instance.id, None)
        for job in reversed(unstarted):
            self._enqueue(job, first=True)
        if not self._stopping:
            failed = self._take(instance.version.id) if instance.setup_failure("") else []
            events = [
                event for job in failed if (event := instance.setup_failure(job.prediction_id))
            ]
            if events:
                self.events(events)
            self._advance()

    # --- the queue

    def _enqueue(self, job: Job, first: bool = False) -> None:
        queued = self._queue.setdefault((job.version.id, job.owner), deque())
        if first:
            queued.appendleft(job)
        else:
            queued.append(job)

    def _has_queued(self, job: Job) -> bool:
        queued = self._queue.get((job.version.id, job.owner))
        return queued is not None and queued[-1] is job

    def _take(self, version_id: str) -> list[Job]:
        """Everything that waits for a version, taken out of the queue."""
        keys = [key for key in self._queue if key[0] == version_id]
        return [job for key in keys for job in self._queue.pop(key)]

    def _groups(self) -> list[Group]:
        return [
            Group(
                version=version_id,
                owner=owner,
                oldest=queued[0].order,
                count=len(queued),
                overtaken=queued[0].overtaken,
                memory=self._memory_of(queued[0].version),
                gpu=queued[0].version.gpu,
            )
            for (version_id, owner), queued in self._queue.items()
        ]

    def _memory_of(self, version: Version) -> int | None:
        return self._measured.get(version.id, version.memory)

    # --- carrying out what the scheduler decides

    def _advance(self) -> None:
        while self._queue and not self._stopping:
            running = Counter(
                r.job.owner for i in self._instances.values() for r in i.running.values()
            )
            occupants = [instance.occupant() for instance in self._instances.values()]
            decision = decide(self._groups(), occupants, self.devices, running)
            match decision:
                case Feed():
                    self._feed(decision)
                case Launch():
                    self._launch(decision)
                case Refuse(version=version, reason=reason):
                    self.events(
                        [messages.Failed(job.prediction_id, reason) for job in self._take(version)]
                    )
                case None:
                    return

    def _feed(self, feed: Feed) -> None:
        key = (feed.version, feed.owner)
        job = self._queue[key].popleft()
        if not self._queue[key]:
            del self._queue[key]
        for queued in self._queue.values():
            if queued[0].order < job.order:
                queued[0].overtaken += 1
        self._announced.pop(job.prediction_id, None)
        self._instances[feed.instance].run(job)

    def _launch(self, launch: Launch) -> None:
        device = next(device for device in self.devices if device.name == launch.device)
        version = next(
            queued[0].version for key, queued in self._queue.items() if key[0] == launch.version
        )
        self._numbers += 1
        name = f"{self._numbers}-{version.id[:8]}"
        instance = Instance(
            name, version, device, launch.memory, self._work / name, self._limits, self
        )
        self._instances[name] = instance
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
                child = self._take_spare(instance) or await ChildProcess.start(
                    version.code.python, instance.device.environment
                )
        except Exception as error:  # whatever it is, nobody may wait for it for ever
            refusal, child = f"Its process could not be started: {error}.", None
        if child is None:
            instance.refuse(refusal)
        else:
            await instance.start(child)

    # --- spare children

    def _take_spare(self, instance: Instance) -> ChildProcess | None:
        """A child that has already imported what takes long. Only where nothing has to be set
        before those imports.
        """
        version = instance.version
        if not version.heavy or version.code.python or version.code.environment:
            return None
        for child in self._spares:
            if not child.gone.is_set():
                self._spares.remove(child)
                return child
        return None

    async def _keep_spares(self) -> None:
        while self._settings.spares and not self._stopping:
            await self._pause()
            self._spares = [child for child in self._spares if not child.gone.is_set()]
            # An instance that loads has the machine to itself: its person waits, nobody waits for a
            # spare.
            if len(self._spares) < self._settings.spares and not any(
                i.loading for i in self._instances.values()
            ):
                with contextlib.suppress(OSError):  # too many processes now: later, then
                    self._spares.append(await ChildProcess.start(None, {}, warm=True))

    # --- once a second

    async def _tick(self) -> None:
        while not self._stopping:
            await self._pause()
            self._evict_idle()
            self._announce()
            await self._watch_memory()

    def _evict_idle(self) -> None:
        longest = time.monotonic() - self._settings.idle_timeout
        for instance in list(self._instances.values()):
            if instance.occupant().evictable and instance.used < longest:
                instance.leave()

    def _announce_first(self, job: Job) -> None:
        """What a new prediction waits for. Those before it are told once a second, all together."""
        version_id = job.version.id
        waiting = sum(len(queued) for key, queued in self._queue.items() if key[0] == version_id)
        loading = next((i for i in self._instances.values() if i.loading_for(version_id)), None)
        line = _activity(loading, waiting - 1)
        self._announced[job.prediction_id] = line
        self.events([messages.Waiting(job.prediction_id, line)])

    def _announce(self) -> None:
        """Tells those who wait what they wait for, where that has changed."""
        waiting = sorted(
            (job for queued in self._queue.values() for job in queued), key=lambda job: job.order
        )
        loading = {i.version.id: i for i in self._instances.values() if i.loading}
        events: list[Event] = []
        ahead: Counter[str] = Counter()
        announced = {}
        for job in waiting:
            line = _activity(loading.get(job.version.id), ahead[job.version.id])
            ahead[job.version.id] += 1
            announced[job.prediction_id] = line
            if self._announced.get(job.prediction_id) != line:
                events.append(messages.Waiting(job.prediction_id, line))
        self._announced = announced
        if events:
            self.events(events)

    async def _watch_memory(self) -> None:
        """Ends the largest instance on the CPU when all together hold more than models may, before
        the system picks a victim.
        """
        cpu = next((device for device in self.devices if not device.gpu), None)
        held = {
            i.id: i.pid
            for i in self._instances.values()
            if i.device is cpu and i.pid and not i.leaving
        }
        if cpu is None or not held:
            return
        sizes = await asyncio.to_thread(
            lambda: {id: _resident(pid) for id, pid in held.items() if pid}
        )
        for id, size in sizes.items():
            if id in self._instances:
                version_id = self._instances[id].version.id
                self._measured[version_id] = min(
                    cpu.memory, max(size, self._measured.get(version_id, 0))
                )
        if sum(sizes.values()) > cpu.memory:
            largest = max(sizes, key=lambda id: sizes[id])
            if largest in self._instances:
                self._instances[largest].leave(
                    f"The model held {sizes[largest] / 1e9:.1f} GB of memory and was stopped: "
                    f"all models together may hold {cpu.memory / 1e9:.1f} GB here."
                )

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _activity(loading: Instance | None, ahead: int) -> str:
    before = f" · {ahead} before you" if ahead else ""
    if loading is None:
        return f"waiting{before}"
    return f"loading the model{before}" + (f" · {loading.setup_line}" if loading.setup_line else "")


def _resident(pid: int) -> int:
    """Bytes of memory that a process and all that it has started hold."""
    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += each.memory_info().rss
    return total
