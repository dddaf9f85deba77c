"""The database: predictions and files, in SQLite through SQLAlchemy Core. It is also the queue:
what is unfinished here is run.

What is often written goes through one thread. Reads run in threads of their own beside it (WAL).
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from errors import CannotKeep, CannotStart
from predictions.prediction import Prediction, Status
from predictions.tables import (
    StoredFile,
    as_json,
    files,
    migrate,
    owed_webhooks,
    predictions,
    row_file,
    row_prediction,
    sign_of_life,
)
from predictions.writer import Writer


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
    trainings: bool | None = None
    """True: trainings alone; False: none of them."""


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
            f"sqlite:///{path}",
            connect_args={"check_same_thread": False},
            hide_parameters=True,  # an error's text goes to the log; what people wrote does not
        )
        sql.event.listen(self._engine, "connect", _configure)
        try:
            with self._engine.begin() as connection:
                migrate(connection)
        except sql.exc.DatabaseError as error:
            raise CannotStart(
                f"the database {path} cannot be used ({error.orig}). Make room on its disk, end "
                "what else holds it, or give another folder with --data."
            ) from None
        self._writer = Writer(self._engine)

    def close(self) -> None:
        """Writes what has gathered and stops. Nothing may be saved afterwards."""
        self._writer.close()
        self._engine.dispose()

    # --- writing

    def save(self, prediction: Prediction) -> asyncio.Future[None]:
        """Done once the prediction is committed; the newest state of each prediction is what is
        written.
        """
        with self._writer.gathering() as batch:
            batch.predictions[prediction.id] = prediction
            return batch.committed()

    def save_soon(self, prediction: Prediction) -> None:
        """As `save`, for who need not know when."""
        with self._writer.gathering() as batch:
            batch.predictions[prediction.id] = prediction

    def add_file(self, file: StoredFile) -> asyncio.Future[None]:
        """Done once the file is committed: before any prediction that is saved after it, or with
        it.
        """
        with self._writer.gathering() as batch:
            batch.files.append(file)
            return batch.committed()

    async def delete_file(self, file_id: str) -> None:
        await self.write(sql.delete(files).where(files.c.id == file_id))

    async def write(self, *statements: sql.Executable) -> None:
        """Carries out statements beside the writer, all or none: for what is seldom written. Raises
        `CannotKeep`.
        """

        def write() -> None:
            try:
                with self._engine.begin() as connection:
                    for statement in statements:
                        connection.execute(statement)
            except sql.exc.OperationalError as error:  # a full disk, a lock of another program
                raise CannotKeep(error.orig) from error

        await asyncio.to_thread(write)

    def settle_webhook(self, prediction_id: str) -> None:
        """Its webhook has heard of the end, or never will."""
        with self._writer.gathering() as batch:
            batch.settled.append(prediction_id)

    def show_life(self, now: float) -> None:
        """The app runs at `now`, in Unix seconds."""
        with self._writer.gathering() as batch:
            batch.alive_at = now

    # --- reading

    async def last_alive(self) -> float:
        """When the app was last known to run; 0.0 if it never was."""
        return float((await self.read(sql.select(sign_of_life.c.at)))[0].at)

    async def get(self, prediction_id: str) -> Prediction | None:
        rows = await self.read(sql.select(predictions).where(predictions.c.id == prediction_id))
        return row_prediction(rows[0]) if rows else None

    async def unfinished(self) -> Sequence[Prediction]:
        """All that has not ended, oldest first: the queue, as a restart finds it."""
        unfinished = predictions.c.status.in_((Status.STARTING.value, Status.PROCESSING.value))
        statement = (
            sql.select(predictions)
            .where(unfinished)
            .order_by(predictions.c.created_at, predictions.c.id)
        )
        return [row_prediction(row) for row in await self.read(statement)]

    async def owing(self) -> Sequence[Prediction]:
        """Predictions whose end their webhook has not heard of."""
        statement = sql.select(predictions).join(
            owed_webhooks, owed_webhooks.c.prediction_id == predictions.c.id
        )
        return [row_prediction(row) for row in await self.read(statement)]

    async def list(
        self,
        filter: Filter,
        limit: int,
        before: Position | None = None,
        after: Position | None = None,
    ) -> Page:
        statement = sql.select(predictions).where(*_conditions(filter))
        rows, older, newer = await self._page(predictions, statement, limit, before, after)
        return Page(tuple(row_prediction(row) for row in rows), older, newer)

    async def totals(self, filter: Filter) -> Totals:
        columns = predictions.c
        statement = sql.select(
            sql.func.count(), sql.func.coalesce(sql.func.sum(columns.predict_time), 0.0),
            sql.func.coalesce(sql.func.sum(columns.cost), 0.0),
        ).where(*_conditions(filter))  # fmt: skip
        (count, predict_time, cost), *_ = await self.read(statement)
        return Totals(count, predict_time, cost)

    async def run_counts(self) -> dict[str, int]:
        """How many predictions each model has had."""
        columns = predictions.c
        return {
            model: count
            for model, count in await self.read(
                sql.select(columns.model, sql.func.count())
                .where(columns.destination.is_(None))
                .group_by(columns.model)
            )
        }

    async def last_runs(self) -> dict[str, float]:
        """When each model was last asked for, in Unix seconds."""
        columns = predictions.c
        latest = sql.select(columns.model, sql.func.max(columns.created_at))
        return {model: at for model, at in await self.read(latest.group_by(columns.model))}

    async def get_file(self, file_id: str) -> StoredFile | None:
        rows = await self.read(sql.select(files).where(files.c.id == file_id))
        return row_file(rows[0]) if rows else None

    async def list_uploads(
        self,
        limit: int,
        before: Position | None = None,
        after: Position | None = None,
        owner: str | None = None,
    ) -> tuple[Sequence[StoredFile], Position | None, Position | None]:
        """Uploads, of one owner if it is given, newest first; and where older and newer ones
        begin.
        """
        statement = sql.select(files).where(files.c.prediction_id.is_(None))
        if owner is not None:
            statement = statement.where(files.c.owner == owner)
        rows, older, newer = await self._page(files, statement, limit, before, after)
        return [row_file(row) for row in rows], older, newer

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
        rows = await self.read(statement.limit(limit + 1))
        more, rows = len(rows) > limit, rows[:limit]
        if after is not None:
            rows = rows[::-1]
        if not rows:
            return [], None, None
        first, last = (rows[0].created_at, rows[0].id), (rows[-1].created_at, rows[-1].id)
        has_older = after is not None or more
        has_newer = more if after is not None else before is not None
        return rows, last if has_older else None, first if has_newer else None

    async def read(self, statement: sql.Select[Any]) -> Sequence[Any]:
        """The rows of a statement."""

        def read() -> Sequence[Any]:
            with self._engine.connect() as connection:
                return connection.execute(statement).all()

        return await asyncio.to_thread(read)


def _configure(connection: Any, record: Any) -> None:
    # NORMAL with WAL survives a killed process whole; only a power cut can take the last moments,
    # and never corrupts.
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "busy_timeout = 30000"):
        connection.execute(f"PRAGMA {pragma}")


def _conditions(filter: Filter) -> list[sql.ColumnElement[bool]]:
    columns = predictions.c
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
    if filter.trainings is not None:
        is_training = columns.destination.is_not(None)
        conditions.append(is_training if filter.trainings else ~is_training)
    if filter.search:
        as_stored = as_json(filter.search)[1:-1]
        conditions.append(
            columns.input.icontains(as_stored, autoescape=True)
            | columns.id.startswith(filter.search, autoescape=True)
            | columns.model.icontains(filter.search, autoescape=True)
        )
    return conditions
