"""The database: predictions and files, in SQLite through SQLAlchemy Core. It is also the queue:
what is unfinished here is run.

One thread writes; it commits in one transaction whatever has gathered while the last one was being
written, so that durable and quick go together. Reads run in threads of their own beside it (WAL).
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sql
from sqlalchemy.dialects.sqlite import insert

from predictions.prediction import Prediction, Status

_metadata = sql.MetaData()

_predictions = sql.Table(
    "predictions",
    _metadata,
    sql.Column("id", sql.String, primary_key=True),
    sql.Column("created_at", sql.Double, nullable=False),
    sql.Column("model", sql.String, nullable=False),
    sql.Column("version", sql.String, nullable=False),
    sql.Column("status", sql.String, nullable=False),
    sql.Column("source", sql.String, nullable=False),
    sql.Column("owner", sql.String, nullable=False),
    sql.Column("started_at", sql.Double),
    sql.Column("completed_at", sql.Double),
    sql.Column("predict_time", sql.Double),
    sql.Column("hardware", sql.String),
    sql.Column("cost", sql.Double),
    sql.Column("deadline", sql.Double),
    sql.Column("error", sql.Text),
    sql.Column("logs", sql.Text, nullable=False),
    sql.Column("input", sql.Text, nullable=False),
    sql.Column("output", sql.Text, nullable=False),
    sql.Column("metrics", sql.Text, nullable=False),
    sql.Column("webhook", sql.Text, nullable=False),
)

_files = sql.Table(
    "files",
    _metadata,
    sql.Column("id", sql.String, primary_key=True),
    sql.Column("created_at", sql.Double, nullable=False),
    sql.Column("expires_at", sql.Double),
    sql.Column("name", sql.String, nullable=False),
    sql.Column("content_type", sql.String, nullable=False),
    sql.Column("size", sql.BigInteger, nullable=False),
    sql.Column("md5", sql.String, nullable=False),
    sql.Column("sha256", sql.String, nullable=False),
    sql.Column("path", sql.String, nullable=False),
    sql.Column("prediction_id", sql.String),
    sql.Column("owner", sql.String, nullable=False),
    sql.Column("metadata", sql.Text, nullable=False),
)


def _create_tables(connection: sql.Connection) -> None:
    """Written out, not taken from the tables above, which describe today's columns and move on."""
    for statement in (
        """CREATE TABLE predictions (
            id VARCHAR PRIMARY KEY, created_at DOUBLE NOT NULL, model VARCHAR NOT NULL,
            version VARCHAR NOT NULL, status VARCHAR NOT NULL, source VARCHAR NOT NULL,
            owner VARCHAR NOT NULL, started_at DOUBLE, completed_at DOUBLE, predict_time DOUBLE,
            hardware VARCHAR, cost DOUBLE, deadline DOUBLE, error TEXT, logs TEXT NOT NULL,
            input TEXT NOT NULL, output TEXT NOT NULL, metrics TEXT NOT NULL, webhook TEXT NOT NULL
        )""",
        "CREATE INDEX predictions_newest ON predictions (created_at, id)",
        """CREATE INDEX predictions_unfinished ON predictions (status)
            WHERE status IN ('starting', 'processing')""",
        """CREATE TABLE files (
            id VARCHAR PRIMARY KEY, created_at DOUBLE NOT NULL, expires_at DOUBLE,
            name VARCHAR NOT NULL, content_type VARCHAR NOT NULL, size BIGINT NOT NULL,
            md5 VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, path VARCHAR NOT NULL,
            prediction_id VARCHAR, owner VARCHAR NOT NULL, metadata TEXT NOT NULL
        )""",
        "CREATE INDEX files_newest ON files (created_at, id) WHERE prediction_id IS NULL",
    ):
        connection.execute(sql.text(statement))


# Append, never edit: the number of migrations that a database has seen is its `user_version`.
MIGRATIONS: Sequence[Callable[[sql.Connection], None]] = (_create_tables,)


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file: an upload (`prediction_id` None) or what a prediction took or made. `path` is
    relative to the files' root.
    """

    id: str
    name: str
    content_type: str
    size: int
    path: str
    created_at: float
    expires_at: float | None = None
    md5: str = ""
    sha256: str = ""
    prediction_id: str | None = None
    owner: str = ""
    metadata: dict[str, Any] = {}


@dataclass(frozen=True)
class Filter:
    """Which predictions. `search` is looked for in inputs, ids and model names; times are Unix
    seconds.
    """

    model: str | None = None
    status: Status | None = None
    source: str | None = None
    owner: str | None = None
    search: str | None = None
    created_after: float | None = None
    created_before: float | None = None


EVERYTHING = Filter()

Position = tuple[float, str]
"""A place in a list that is ordered by (created_at, id): stays where it is when new rows arrive."""


@dataclass(frozen=True)
class Page:
    """Predictions, newest first. `next` is where older ones begin, `previous` where newer ones do;
    None at the ends.
    """

    predictions: tuple[Prediction, ...]
    next: Position | None = None
    previous: Position | None = None


@dataclass(frozen=True)
class Totals:
    """Of all predictions that a filter allows: how many, their compute seconds, their cost in
    dollars.
    """

    count: int
    predict_time: float
    cost: float


def new_id() -> str:
    """128 random bits as 26 lower-case letters and digits: unguessable and safe in a path."""
    return base64.b32encode(os.urandom(16)).decode().rstrip("=").lower()


class Store:
    def __init__(self, path: Path) -> None:
        self._engine = sql.create_engine(
            f"sqlite:///{path}", connect_args={"check_same_thread": False}
        )
        sql.event.listen(self._engine, "connect", _configure)
        with self._engine.begin() as connection:
            migrate(connection)
        # Compiled once: the way through `execute` costs ten times what the commit does.
        compiled = _UPSERT.compile(self._engine)
        self._upsert, self._upsert_order = str(compiled), tuple(compiled.positiontup or ())
        self._gathered = _Batch()
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._closed = False
        self._writer = threading.Thread(
            target=self._write_batches, name="store-writer", daemon=True
        )
        self._writer.start()

    def close(self) -> None:
        """Writes what has gathered and stops. Nothing may be saved afterwards."""
        self._closed = True
        self._work.set()
        self._writer.join()
        self._engine.dispose()

    # --- writing

    def save(self, prediction: Prediction) -> asyncio.Future[None]:
        """Done once the prediction is committed; the newest state of each prediction is what is
        written.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._gathered.predictions[prediction.id] = prediction
            self._gathered.waiting.append(done)
        self._work.set()
        return done

    def save_soon(self, prediction: Prediction) -> None:
        """As `save`, for who need not know when."""
        with self._lock:
            self._gathered.predictions[prediction.id] = prediction
        self._work.set()

    def add_file(self, file: StoredFile) -> asyncio.Future[None]:
        """Done once the file is committed: before any prediction that is saved after it, or with
        it.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._gathered.files.append(file)
            self._gathered.waiting.append(done)
        self._work.set()
        return done

    async def delete_file(self, file_id: str) -> None:
        statement = sql.delete(_files).where(_files.c.id == file_id)

        def delete() -> None:
            with self._engine.begin() as connection:
                connection.execute(statement)

        await asyncio.to_thread(delete)

    def _write_batches(self) -> None:
        connection = self._engine.connect()
        while True:
            self._work.wait()
            self._work.clear()
            with self._lock:
                batch, self._gathered = self._gathered, _Batch()
            if batch.predictions or batch.files:
                self._write(connection, batch)
            elif self._closed:
                connection.close()
                return
            if self._closed:
                self._work.set()

    def _write(self, connection: sql.Connection, batch: _Batch) -> None:
        error: Exception | None = None
        try:
            with connection.begin():
                if batch.files:
                    connection.execute(
                        sql.insert(_files), [_file_row(file) for file in batch.files]
                    )
                if batch.predictions:
                    rows = [_row(prediction) for prediction in batch.predictions.values()]
                    values = [tuple(row[name] for name in self._upsert_order) for row in rows]
                    connection.exec_driver_sql(self._upsert, values)
        except Exception as caught:
            error = caught
            print(f"atelier: the database refused a write: {caught}", file=sys.stderr)
        if batch.waiting:
            loop = batch.waiting[0].get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, batch.waiting, error)

    # --- reading

    async def get(self, prediction_id: str) -> Prediction | None:
        rows = await self._read(sql.select(_predictions).where(_predictions.c.id == prediction_id))
        return _prediction(rows[0]) if rows else None

    async def unfinished(self) -> Sequence[Prediction]:
        """All that has not ended, oldest first: the queue, as a restart finds it."""
        unfinished = _predictions.c.status.in_((Status.STARTING.value, Status.PROCESSING.value))
        statement = (
            sql.select(_predictions)
            .where(unfinished)
            .order_by(_predictions.c.created_at, _predictions.c.id)
        )
        return [_prediction(row) for row in await self._read(statement)]

    async def list(
        self,
        filter: Filter,
        limit: int,
        before: Position | None = None,
        after: Position | None = None,
    ) -> Page:
        statement = sql.select(_predictions).where(*_conditions(filter))
        rows, older, newer = await self._page(_predictions, statement, limit, before, after)
        return Page(tuple(_prediction(row) for row in rows), older, newer)

    async def totals(self, filter: Filter) -> Totals:
        columns = _predictions.c
        statement = sql.select(
            sql.func.count(), sql.func.coalesce(sql.func.sum(columns.predict_time), 0.0),
            sql.func.coalesce(sql.func.sum(columns.cost), 0.0),
        ).where(*_conditions(filter))  # fmt: skip
        (count, predict_time, cost), *_ = await self._read(statement)
        return Totals(count, predict_time, cost)

    async def run_counts(self) -> dict[str, int]:
        """How many predictions each model has had."""
        columns = _predictions.c
        return {
            model: count
            for model, count in await self._read(
                sql.select(columns.model, sql.func.count()).group_by(columns.model)
            )
        }

    async def get_file(self, file_id: str) -> StoredFile | None:
        rows = await self._read(sql.select(_files).where(_files.c.id == file_id))
        return _file(rows[0]) if rows else None

    async def list_uploads(
        self, limit: int, before: Position | None = None, after: Position | None = None
    ) -> tuple[Sequence[StoredFile], Position | None, Position | None]:
        """Uploads, newest first, and where older and newer ones begin."""
        statement = sql.select(_files).where(_files.c.prediction_id.is_(None))
        rows, older, newer = await self._page(_files, statement, limit, before, after)
        return [_file(row) for row in rows], older, newer

    async def _page(
        self,
        table: sql.Table,
        statement: sql.Select[Any],
        limit: int,
        before: Position | None,
        after: Position | None,
    ) -> tuple[Sequence[Any], Position | None, Position | None]:
        place = sql.tuple_(table.c.created_at, table.c.id)
        if after is not None:
            statement = statement.where(place > after).order_by(table.c.created_at, table.c.id)
        else:
            if before is not None:
                statement = statement.where(place < before)
            statement = statement.order_by(table.c.created_at.desc(), table.c.id.desc())
        rows = await self._read(statement.limit(limit + 1))
        more, rows = len(rows) > limit, rows[:limit]
        if after is not None:
            rows = rows[::-1]
        if not rows:
            return [], None, None
        first, last = (rows[0].created_at, rows[0].id), (rows[-1].created_at, rows[-1].id)
        has_older = after is not None or more
        has_newer = more if after is not None else before is not None
        return rows, last if has_older else None, first if has_newer else None

    async def _read(self, statement: sql.Select[Any]) -> Sequence[Any]:
        def read() -> Sequence[Any]:
            with self._engine.connect() as connection:
                return connection.execute(statement).all()

        return await asyncio.to_thread(read)


class _Batch:
    def __init__(self) -> None:
        self.predictions: dict[str, Prediction] = {}
        self.files: list[StoredFile] = []
        self.waiting: list[asyncio.Future[None]] = []


def migrate(connection: sql.Connection) -> None:
    """Brings a database of any earlier release up to date."""
    (seen,) = connection.execute(sql.text("PRAGMA user_version")).one()
    for migration in MIGRATIONS[seen:]:
        migration(connection)
    connection.execute(sql.text(f"PRAGMA user_version = {len(MIGRATIONS)}"))


def _configure(connection: Any, record: Any) -> None:
    # NORMAL with WAL survives a killed process whole; only a power cut can take the last moments,
    # and never corrupts.
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "busy_timeout = 30000"):
        connection.execute(f"PRAGMA {pragma}")


def _resolve(waiting: list[asyncio.Future[None]], error: Exception | None) -> None:
    for future in waiting:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def _conditions(filter: Filter) -> list[sql.ColumnElement[bool]]:
    columns = _predictions.c
    conditions: list[sql.ColumnElement[bool]] = []
    if filter.model:
        conditions.append(columns.model == filter.model)
    if filter.status:
        conditions.append(columns.status == filter.status.value)
    if filter.source:
        conditions.append(columns.source == filter.source)
    if filter.owner is not None:
        conditions.append(columns.owner == filter.owner)
    if filter.created_after is not None:
        conditions.append(columns.created_at >= filter.created_after)
    if filter.created_before is not None:
        conditions.append(columns.created_at < filter.created_before)
    if filter.search:
        as_stored = _json(filter.search)[1:-1]
        conditions.append(
            columns.input.icontains(as_stored, autoescape=True)
            | columns.id.startswith(filter.search, autoescape=True)
            | columns.model.icontains(filter.search, autoescape=True)
        )
    return conditions


_UPSERT = insert(_predictions)
_UPSERT = _UPSERT.on_conflict_do_update(
    index_elements=[_predictions.c.id],
    set_={
        column.name: _UPSERT.excluded[column.name]
        for column in _predictions.c
        if column.name != "id"
    },
)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def _json(value: Any) -> str:
    return _encode(value).decode()


def _row(prediction: Prediction) -> dict[str, Any]:
    return {
        "id": prediction.id,
        "created_at": prediction.created_at,
        "model": prediction.model,
        "version": prediction.version,
        "status": prediction.status.value,
        "source": prediction.source,
        "owner": prediction.owner,
        "started_at": prediction.started_at,
        "completed_at": prediction.completed_at,
        "predict_time": prediction.predict_time,
        "hardware": prediction.hardware,
        "cost": prediction.cost,
        "deadline": prediction.deadline,
        "error": prediction.error,
        "logs": prediction.logs,
        "input": _json(prediction.input),
        "output": _json(prediction.output),
        "metrics": _json(prediction.metrics),
        "webhook": _json([prediction.webhook, prediction.webhook_events_filter]),
    }


def _prediction(row: Any) -> Prediction:
    output = _decode(row.output)
    webhook, events = _decode(row.webhook)
    return Prediction(
        id=row.id,
        created_at=row.created_at,
        model=row.model,
        version=row.version,
        status=Status(row.status),
        source=row.source,
        owner=row.owner,
        started_at=row.started_at,
        completed_at=row.completed_at,
        predict_time=row.predict_time,
        hardware=row.hardware,
        cost=row.cost,
        deadline=row.deadline,
        error=row.error,
        logs=row.logs,
        input=_decode(row.input),
        output=tuple(output) if isinstance(output, list) else output,
        metrics=_decode(row.metrics),
        webhook=webhook,
        webhook_events_filter=None if events is None else tuple(events),
    )


def _file_row(file: StoredFile) -> dict[str, Any]:
    return {**msgspec.structs.asdict(file), "metadata": _json(file.metadata)}


def _file(row: Any) -> StoredFile:
    return StoredFile(**{**row._mapping, "metadata": _decode(row.metadata)})
