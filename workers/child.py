"""The child's main: load a model, set it up, run predictions, report. Runs in the model's own
interpreter.

    python -m workers.child FILE_DESCRIPTOR [--warm]

Synchronous runners run in the main thread, one at a time, where a signal can raise
`CancelationException` even out of a blocking system call; asynchronous ones run as tasks, as many
at once as they declare. A second thread listens to the parent throughout.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import faulthandler
import inspect
import io
import os
import queue
import shutil
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from cog import CancelationException
from cog.encoding import FILE, SaveFile, encode
from cog.loading import LoadedRunner, load, load_trainer
from cog.scope import Scope, entered
from workers import failures, messages, surroundings, usage
from workers.messages import Message
from workers.parent import Parent
from workers.reports import OutputFiles, PrintedText, Sink, prediction_in_context


class Child:
    """One loaded model and the predictions that run in it."""

    def __init__(self, parent: Parent, loading: messages.Load) -> None:
        self._parent = parent
        self._loading = loading
        self._work = Path(loading.work)
        self._running: set[str] = set()
        self._held = False, 0
        self._process = os.getpid()
        self._runner: LoadedRunner
        self._flush_c = ctypes.CDLL(None).fflush

    def main(self) -> None:
        self._hear_prints()
        surroundings.enter(self._loading, self._work)
        began = time.perf_counter()
        loading = self._loading
        try:
            if loading.trains:
                self._runner = load_trainer(loading.folder, loading.target)
            else:
                self._runner = load(loading.folder, loading.target, loading.concurrency)
            if not self._runner.is_async:
                self._runner.setup(loading.weights, loading.precision, loading.options)
        except BaseException as error:
            self._setup_failed(error)
            return
        if self._runner.is_async:
            asyncio.run(self._serve_async(began))
        else:
            self._ready(began)
            self._serve()

    def _hear_prints(self) -> None:
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            raw = PrintedText(self._parent, self._running, descriptor)
            buffered = io.BufferedWriter(raw, 1 << 16)
            setattr(sys, name, io.TextIOWrapper(buffered, "utf-8", "replace", line_buffering=True))

    def _ready(self, began: float) -> None:
        self._flush()
        ready = messages.Ready(self._runner.concurrency, time.perf_counter() - began)
        self._parent.send(*self._grown(), ready)

    def _setup_failed(self, error: BaseException) -> None:
        self._flush()
        self._parent.send(*self._grown(), failures.of_setup(error))

    # --- one after another

    def _serve(self) -> None:
        runs: queue.SimpleQueue[messages.Run] = queue.SimpleQueue()

        def listen() -> None:
            while True:
                message = self._parent.receive()
                if isinstance(message, messages.Run):
                    runs.put(message)
                elif isinstance(message, messages.Cancel):
                    self._parent.interrupt.cancel(message.prediction_id)
                elif isinstance(message, messages.CheckHealth):
                    # Beside what runs, which may take its time.
                    check = lambda: asyncio.run(self._check_health())  # noqa: E731
                    threading.Thread(target=check, name="health", daemon=True).start()

        threading.Thread(target=listen, name="listener", daemon=True).start()
        while True:
            run = runs.get()
            token = prediction_in_context.set(run.prediction_id)
            self._run(run)
            prediction_in_context.reset(token)

    def _run(self, run: messages.Run) -> None:
        began, save = self._begin(run), self._saver(run)
        end: Message
        try:
            with entered(self._scope(run)), self._parent.interrupt.running(run.prediction_id):
                result = self._runner.call(**self._arguments(run))
                if self._runner.is_iterator:
                    for value in result:
                        self._piece(run, value, save)
                    sent = []
                else:
                    sent = [self._output(run, result, save)]
            end = messages.Succeeded(run.prediction_id, time.perf_counter() - began)
        except BaseException as error:
            canceled = isinstance(error, CancelationException)
            sent, end = [], self._failure(run, error, began, canceled)
        self._end(run, *sent, end)

    # --- several at once

    async def _serve_async(self, began: float) -> None:
        loop = asyncio.get_running_loop()
        tasks: dict[str, asyncio.Task[None]] = {}
        checks: set[asyncio.Task[None]] = set()
        try:
            loading = self._loading
            setting_up = self._runner.setup(loading.weights, loading.precision, loading.options)
            if inspect.isawaitable(setting_up):
                await setting_up
        except BaseException as error:
            self._setup_failed(error)
            return
        self._ready(began)

        def ended(prediction_id: str, task: asyncio.Task[None]) -> None:
            del tasks[prediction_id]
            if task.cancelled():  # before its first step: the run itself has said nothing
                self._parent.send(messages.Canceled(prediction_id, 0.0))

        def received(message: Message) -> None:
            if isinstance(message, messages.Run):
                task = loop.create_task(self._run_async(message))
                tasks[message.prediction_id] = task
                task.add_done_callback(lambda task: ended(message.prediction_id, task))
            elif isinstance(message, messages.Cancel) and message.prediction_id in tasks:
                tasks[message.prediction_id].cancel()
            elif isinstance(message, messages.CheckHealth):
                checks.add(check := loop.create_task(self._check_health()))
                check.add_done_callback(checks.discard)

        def listen() -> None:
            while True:
                loop.call_soon_threadsafe(received, self._parent.receive())

        threading.Thread(target=listen, name="listener", daemon=True).start()
        await asyncio.Event().wait()

    async def _run_async(self, run: messages.Run) -> None:
        prediction_in_context.set(run.prediction_id)
        began, save = self._begin(run), self._saver(run)
        end: Message
        try:
            with entered(self._scope(run)):
                result = self._runner.call(**self._arguments(run))
                if self._runner.is_iterator:
                    async for value in result:
                        self._piece(run, value, save)
                    sent = []
                else:
                    sent = [self._output(run, await result, save)]
            end = messages.Succeeded(run.prediction_id, time.perf_counter() - began)
        except BaseException as error:
            canceled = isinstance(error, asyncio.CancelledError | CancelationException)
            sent, end = [], self._failure(run, error, began, canceled)
        self._end(run, *sent, end)

    # --- what both share

    def _arguments(self, run: messages.Run) -> dict[str, Any]:
        """With files of the run's own: models overwrite them, delete them and write beside them,
        and what was uploaded is also another's.
        """
        folder = self._inputs_of(run)

        def own(file: Path) -> Path:
            place = folder / str(len(os.listdir(folder)) if folder.exists() else 0)
            place.mkdir(parents=True)
            return Path(shutil.copyfile(file, place / file.name))

        return self._runner.arguments(run.inputs, own)

    def _inputs_of(self, run: messages.Run) -> Path:
        return self._work / "inputs" / run.prediction_id

    def _begin(self, run: messages.Run) -> float:
        self._running.add(run.prediction_id)
        started: list[Message] = [messages.Started(run.prediction_id)]
        if self._runner.is_iterator:
            started.append(messages.OutputPieces(run.prediction_id, []))
        self._parent.send(*started)
        if self._weighs and len(self._running) == 1:
            usage.start()
        return time.perf_counter()

    def _end(self, run: messages.Run, *sent: Message) -> None:
        self._flush()
        if os.getpid() != self._process:
            # A process that the model has forked has left the model's code, where it belongs.
            os._exit(0 if isinstance(sent[-1], messages.Succeeded) else 1)
        shutil.rmtree(self._inputs_of(run), ignore_errors=True)
        self._running.discard(run.prediction_id)
        told = self._grown()
        if self._weighs and (peak := usage.peak()):
            told.append(messages.Metric(run.prediction_id, "peak_memory", peak))
        self._parent.send(*told, *sent)

    async def _check_health(self) -> None:
        try:
            answer = self._runner.healthcheck()
            is_well = await answer if inspect.isawaitable(answer) else answer
            trouble = "" if is_well else f"Its healthcheck gave {is_well!r}."
        except BaseException as error:
            trouble = f"Its healthcheck failed: {type(error).__name__}: {error}"
        self._parent.send(messages.Health(trouble))

    @property
    def _weighs(self) -> bool:
        """Whether it is worth a look how much memory the model takes."""
        return self._loading.weights is not None or "torch" in sys.modules

    def _grown(self) -> list[Message]:
        """What the parent has to know of this process's memory."""
        held, gpu = usage.held() if self._weighs else (0, False)
        if (gpu, held) <= self._held:
            return []
        self._held = gpu, held
        return [messages.Held(held, gpu)]

    def _scope(self, run: messages.Run) -> Scope:
        return Scope(run.prediction_id, Sink(self._parent, run.prediction_id), run.context)

    def _piece(self, run: messages.Run, value: Any, save: SaveFile) -> None:
        self._parent.send(messages.OutputPieces(run.prediction_id, [encode(value, save)]))

    def _output(self, run: messages.Run, value: Any, save: SaveFile) -> Message:
        return messages.Output(run.prediction_id, encode(value, save))

    def _saver(self, run: messages.Run) -> SaveFile:
        files = OutputFiles(Path(run.folder), self._work)
        return lambda file: {FILE: str(files.save(file))}

    def _failure(
        self, run: messages.Run, error: BaseException, began: float, canceled: bool
    ) -> Message:
        seconds = time.perf_counter() - began
        if canceled:
            return messages.Canceled(run.prediction_id, seconds)
        return failures.of_run(run.prediction_id, error, seconds)

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        self._flush_c(None)


def main(arguments: list[str]) -> None:
    sock = socket.socket(fileno=int(arguments[0]))
    surroundings.end_with_the_parent(sock)
    surroundings.keep_freed_memory()
    faulthandler.enable()
    sock.set_inheritable(False)
    parent = Parent(sock)
    if "--warm" in arguments:
        surroundings.import_heavy_libraries()
    loading = parent.receive()
    assert isinstance(loading, messages.Load)
    Child(parent, loading).main()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
