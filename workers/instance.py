"""The parent's handle on one instance: one version, loaded in one child, on one device. Killing it
is always safe.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from model_registry.spec import Version
from workers import memory, messages
from workers.devices import Device
from workers.floor import Occupant
from workers.job import Job, Running
from workers.messages import Event, Message
from workers.process import KILLED, ChildProcess, clear_away, load_message
from workers.scheduler import Launch
from workers.setup_record import SetupRecord


class Owner(Protocol):
    """Who an instance reports to: the pool."""

    def emit(self, events: Sequence[Event]) -> None: ...

    def ready(self, instance: Instance) -> None: ...

    def slot_freed(self, instance: Instance) -> None: ...

    def ran_out(self, instance: Instance, running: Running, failed: messages.Failed) -> None: ...

    def gone(self, instance: Instance, unstarted: list[Job]) -> None: ...


@dataclass(frozen=True)
class Limits:
    """Seconds."""

    setup: float
    run: float
    grace: float


class Instance:
    """Loading, then ready, then leaving. A leaving instance takes no more predictions and goes when
    what runs has ended.
    """

    def __init__(
        self,
        id: str,
        version: Version,
        device: Device,
        launch: Launch,
        work: Path,
        limits: Limits,
        owner: Owner,
    ) -> None:
        self.id = id
        self.version = version
        self.device = device
        self.precision = launch.precision
        self.memory = launch.memory
        self.held = 0
        """The most bytes that its process has held, as far as it has said."""
        self.resident = 0
        """The most of the machine's memory that it was seen to hold."""
        self.completed = 0
        """How many predictions have succeeded here."""
        self.running: dict[str, Running] = {}
        self.concurrency = 0
        self.used = time.monotonic()
        self.leaving = False
        self.setup = SetupRecord()
        self._last_words = ""
        self._work = work
        self._limits = limits
        self._owner = owner
        self._child: ChildProcess | None = None
        self._setup_timer: asyncio.TimerHandle | None = None
        self._health: asyncio.Future[str] | None = None
        self._ended_because = ""

    @property
    def loading(self) -> bool:
        return self.concurrency == 0 and not self.leaving

    def loading_for(self, version_id: str) -> bool:
        return self.loading and self.version.id == version_id

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def occupant(self) -> Occupant:
        """As the scheduler sees it."""
        return Occupant(
            id=self.id,
            version=self.version.id,
            device=self.device.name,
            memory=max(self.memory, self.held),
            precision=self.precision,
            free_slots=max(0, self.concurrency - len(self.running)),
            busy=bool(self.running) and not (self.leaving and self._all_over()),
            loading=self.loading,
            leaving=self.leaving,
            used=self.used,
            parts=self.device.parts,
        )

    async def start(self, child: ChildProcess) -> None:
        """Loads the version into `child`, which may be a spare."""
        self._child = child
        child.listener = self
        if self.leaving or child.gone.is_set():
            child.kill()
        timeout = self._limits.setup
        self._setup_timer = asyncio.get_running_loop().call_later(timeout, self._setup_timed_out)
        child.send(
            load_message(self.version.code, self.device, self._work, self.precision, self.memory)
        )
        if child.gone.is_set():
            self.exited("ended before it was loaded")

    def refuse(self, reason: str) -> None:
        """Ends the instance before it has a child; all that wait for it fail with the reason."""
        self.setup.failure = messages.SetupFailed(reason)
        self.exited(reason)

    def run(self, job: Job) -> None:
        assert self._child is not None
        job.attempts += 1
        self.used = time.monotonic()
        self.running[job.prediction_id] = Running(job)
        names = self.version.code.arguments
        inputs = {names.get(name, name): value for name, value in job.inputs.items()}
        try:
            self._child.send(messages.Run(job.prediction_id, inputs, str(job.folder), job.context))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            reason = f"Its inputs cannot be sent to the model: {error}."
            ended: list[Message] = [messages.Failed(job.prediction_id, reason)]
            asyncio.get_running_loop().call_soon(self.received, ended)

    def stop_prediction(self, prediction_id: str) -> None:
        """Asks the code to stop; kills the process if it has not after the grace. Its end must be
        on record already.
        """
        running = self.running.get(prediction_id)
        if running is None or running.over or self._child is None:
            return
        running.over = True
        self._child.send(messages.Cancel(prediction_id))
        running.call_after(self._limits.grace, self._grace_is_over)

    def leave(self, because: str = "") -> None:
        """Ends the instance now, with whatever runs in it."""
        self.leaving = True
        self._ended_because = self._ended_because or because
        if self._child is not None:
            self._child.kill()

    async def left(self) -> None:
        if self._child is not None:
            await self._child.gone.wait()

    async def health(self, seconds: float) -> str:
        """What ails the model by its own `healthcheck`, "" if nothing does."""
        if self._health is None and self._child is not None:
            self._health = asyncio.get_running_loop().create_future()
            self._child.send(messages.CheckHealth())
        if self._health is None:
            return "It is not loaded."
        try:
            return await asyncio.wait_for(asyncio.shield(self._health), seconds)
        except asyncio.TimeoutError:
            return f"Its healthcheck gave no answer within {seconds:g} s."

    def _set_health(self, trouble: str) -> None:
        asked, self._health = self._health, None
        if asked is not None:
            asked.set_result(trouble)

    # --- the child speaks

    def received(self, received: list[Message]) -> None:
        events: list[Event] = []
        starved: list[tuple[Running, messages.Failed]] = []
        freed = False
        for message in received:
            match message:
                case messages.SetupLog(text=text):
                    self.setup.keep(text)
                case messages.Ready(concurrency=concurrency):
                    self._set_ready(concurrency)
                case messages.SetupFailed():
                    self.setup.failure = message
                case messages.Health(trouble=trouble):
                    self._set_health(trouble)
                case messages.Held(memory=size, gpu=gpu):
                    # A library that does not say what it holds of the GPU is left to its estimate.
                    if gpu is self.device.gpu:
                        self.held = max(self.held, size)
                case messages.Started():
                    events.append(self._started(message))
                case messages.Succeeded() | messages.Failed() | messages.Canceled():
                    freed = True
                    running = self._ended(message)
                    match message:
                        case messages.Failed(out_of_memory=True) if running and not running.over:
                            starved.append((running, message))
                        case _:
                            events.append(message)
                case messages.Event():
                    self._note_output(message)
                    messages.append(events, message)
        if events:
            self._owner.emit(events)
        for running, failed in starved:
            # All that it held is given back, fragments too: what is left of it may go on.
            self.leaving = True
            self._owner.ran_out(self, running, failed)
        if freed:
            self._after_an_end()

    def printed(self, text: str) -> None:
        """Text from below Python: of the prediction that runs, or of the set-up.

        It may overtake the message that the prediction has started: to be fed is enough.
        """
        self._last_words = (self._last_words + text)[-2000:]
        if self.running:
            self._owner.emit([messages.Log(next(iter(self.running)), text)])
        else:
            self.setup.keep(text)

    def exited(self, reason: str) -> None:
        self._call_off_setup_timer()
        was_loading, self.leaving = self.concurrency == 0, True
        self._set_health("Its process has ended.")
        reason, ran_out = self._why_it_ended(reason)
        failed: list[tuple[Running, messages.Failed]] = []
        unstarted: list[Job] = []
        for prediction_id, running in self.running.items():
            running.call_off()
            if running.over:
                continue
            if running.started or running.job.attempts > 1:
                failure = messages.Failed(prediction_id, reason, out_of_memory=ran_out)
                failed.append((running, failure))
            else:
                unstarted.append(running.job)
        self.running.clear()
        for running, failure in failed:
            if ran_out:
                self._owner.ran_out(self, running, failure)
            else:
                self._owner.emit([failure])
        asyncio.get_running_loop().run_in_executor(None, clear_away, self._work)
        if was_loading and self.setup.failure is None:
            self.setup.failure = messages.SetupFailed(reason, out_of_memory=ran_out)
        self._owner.gone(self, unstarted)

    def _why_it_ended(self, reason: str) -> tuple[str, bool]:
        """In a sentence, and whether it is that memory ran out inside the process."""
        if self._ended_because:
            return self._ended_because, False
        if reason == KILLED:
            held = max(self.resident, 0 if self.device.gpu else self.held)
            return memory.killed(self.version, held), False
        # C++ code that nobody stands around ends the process with that.
        return f"The model's process {reason}.", "bad_alloc" in self._last_words

    # --- what follows from it

    def _set_ready(self, concurrency: int) -> None:
        self._call_off_setup_timer()
        self.concurrency = max(1, concurrency)
        self.used = time.monotonic()
        self._owner.ready(self)

    def _started(self, message: messages.Started) -> messages.Started:
        running = self.running.get(message.prediction_id)
        if running is not None:
            running.started = True
            if not running.over:
                running.call_after(self._limits.run, self._run_timed_out)
        return messages.Started(message.prediction_id, self.device.hardware)

    def _note_output(self, event: Event) -> None:
        running = self.running.get(event.prediction_id)
        # An empty list of pieces only says that some may come.
        pieces = isinstance(event, messages.OutputPieces) and bool(event.values)
        if running is not None and (pieces or isinstance(event, messages.Output)):
            running.put_out = True

    def _ended(self, end: Event) -> Running | None:
        running = self.running.pop(end.prediction_id, None)
        if running is not None:
            running.call_off()
        self.completed += isinstance(end, messages.Succeeded)
        self.used = time.monotonic()
        return running

    def _all_over(self) -> bool:
        return all(running.over for running in self.running.values())

    def _after_an_end(self) -> None:
        if self.leaving:
            if self._all_over():
                self.leave()
        else:
            self._owner.slot_freed(self)

    def _call_off_setup_timer(self) -> None:
        if self._setup_timer is not None:
            self._setup_timer.cancel()

    def _setup_timed_out(self) -> None:
        self.leave(f"{self.version.model} was not set up within {self._limits.setup:g} seconds.")

    def _run_timed_out(self, running: Running) -> None:
        reason = f"The run took longer than {self._limits.run:g} seconds and was stopped."
        self._owner.emit([messages.Failed(running.job.prediction_id, reason)])
        self.stop_prediction(running.job.prediction_id)

    def _grace_is_over(self, running: Running) -> None:
        # What else runs here has done no wrong: it may finish first, but nothing new comes in.
        self.leaving = True
        if self._all_over():
            self.leave()
