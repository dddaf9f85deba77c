"""The thread that writes. It commits in one transaction whatever has gathered while the last one
was being written, so that durable and quick go together.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Iterator

import sqlalchemy as sql

from errors import CannotKeep
from predictions.prediction import Prediction
from predictions.tables import (
    OWE,
    UPSERT,
    StoredFile,
    file_row,
    files,
    owed_webhooks,
    prediction_row,
    sign_of_life,
)


class Batch:
    """What is written together: of each prediction the newest state, new files, the predictions
    whose webhook has heard of the end or never will, and when the app was seen to run.
    """

    def __init__(self) -> None:
        self.predictions: dict[str, Prediction] = {}
        self.files: list[StoredFile] = []
        self.settled: list[str] = []
        self.alive_at: float | None = None
        self.waiting: list[asyncio.Future[None]] = []

    def committed(self) -> asyncio.Future[None]:
        """Done once the batch is committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(done)
        return done


class Writer:
    def __init__(self, engine: sql.Engine) -> None:
        self._engine = engine
        # Compiled once: the way through `execute` costs ten times what the commit does.
        compiled = UPSERT.compile(engine)
        self._upsert, self._upsert_order = str(compiled), tuple(compiled.positiontup or ())
        self._gathered = Batch()
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._closed = False
        self._thread = threading.Thread(
            target=self._write_batches, name="store-writer", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Writes what has gathered and stops. Nothing may be gathered afterwards."""
        self._closed = True
        self._work.set()
        self._thread.join()

    @contextlib.contextmanager
    def gathering(self) -> Iterator[Batch]:
        """The batch that is written next, to put something into."""
        with self._lock:
            yield self._gathered
        self._work.set()

    def _write_batches(self) -> None:
        connection = self._engine.connect()
        while True:
            self._work.wait()
            self._work.clear()
            with self._lock:
                batch, self._gathered = self._gathered, Batch()
            if batch.predictions or batch.files or batch.settled or batch.alive_at:
                self._write(connection, batch)
            elif self._closed:
                connection.close()
                return
            if self._closed:
                self._work.set()

    def _write(self, connection: sql.Connection, batch: Batch) -> None:
        error: Exception | None = None
        try:
            with connection.begin():
                if batch.files:
                    connection.execute(sql.insert(files), [file_row(file) for file in batch.files])
                if batch.predictions:
                    rows = [prediction_row(prediction) for prediction in batch.predictions.values()]
                    values = [tuple(row[name] for name in self._upsert_order) for row in rows]
                    connection.exec_driver_sql(self._upsert, values)
                    # With the end itself: a kill in between must not make it forgotten.
                    owed = [
                        {"prediction_id": each.id}
                        for each in batch.predictions.values()
                        if each.status.terminal and each.wants("completed")
                    ]
                    if owed:
                        connection.execute(OWE, owed)
                if batch.settled:
                    settled = owed_webhooks.c.prediction_id.in_(batch.settled)
                    connection.execute(sql.delete(owed_webhooks).where(settled))
                if batch.alive_at:
                    connection.execute(sql.update(sign_of_life).values(at=batch.alive_at))
        except Exception as caught:
            # A full disk, a lock that another program holds: no fault, and it may pass.
            error = caught
            if isinstance(caught, sql.exc.OperationalError):
                error = CannotKeep(caught.orig)
            print(f"atelier: the database refused a write: {caught}", file=sys.stderr)
            with self._lock:
                if not self._closed:  # nobody else offers these again
                    self._gathered.settled.extend(batch.settled)
        if batch.waiting:
            loop = batch.waiting[0].get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, batch.waiting, error)


def _resolve(waiting: list[asyncio.Future[None]], error: Exception | None) -> None:
    for future in waiting:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
