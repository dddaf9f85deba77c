"""The database's tables, their migrations, and the way between rows and what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sql
from sqlalchemy.dialects.sqlite import insert

from errors import CannotStart
from predictions.prediction import Prediction, Status

_metadata = sql.MetaData()

predictions = sql.Table(
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
    sql.Column("deployment", sql.String),
    sql.Column("data_removed", sql.Boolean),
    sql.Column("destination", sql.String),
)

files = sql.Table(
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

owed_webhooks = sql.Table(
    "owed_webhooks",
    _metadata,
    sql.Column("prediction_id", sql.String, primary_key=True),
)
"""Predictions whose end their webhook has not heard of."""
sign_of_life = sql.Table("sign_of_life", _metadata, sql.Column("at", sql.Double, nullable=False))
"""One row: when the app was last known to run."""
deployments = sql.Table(
    "deployments",
    _metadata,
    sql.Column("id", sql.String, primary_key=True),
    sql.Column("created_at", sql.Double, nullable=False),
    sql.Column("release", sql.Text, nullable=False),
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


def _create_owed_webhooks(connection: sql.Connection) -> None:
    connection.execute(sql.text("CREATE TABLE owed_webhooks (prediction_id VARCHAR PRIMARY KEY)"))


def _create_deployments(connection: sql.Connection) -> None:
    for statement in (
        """CREATE TABLE deployments (
            id VARCHAR PRIMARY KEY, created_at DOUBLE NOT NULL, release TEXT NOT NULL
        )""",
        "ALTER TABLE predictions ADD COLUMN deployment VARCHAR",
    ):
        connection.execute(sql.text(statement))


def _add_data_removed(connection: sql.Connection) -> None:
    connection.execute(sql.text("ALTER TABLE predictions ADD COLUMN data_removed BOOLEAN"))


def _add_trainings(connection: sql.Connection) -> None:
    for statement in (
        "ALTER TABLE predictions ADD COLUMN destination VARCHAR",
        """CREATE INDEX trainings_newest ON predictions (created_at, id)
            WHERE destination IS NOT NULL""",
    ):
        connection.execute(sql.text(statement))


def _create_sign_of_life(connection: sql.Connection) -> None:
    connection.execute(sql.text("CREATE TABLE sign_of_life (at DOUBLE NOT NULL)"))
    connection.execute(sql.text("INSERT INTO sign_of_life VALUES (0)"))


# Append, never edit: the number of migrations that a database has seen is its `user_version`.
MIGRATIONS: Sequence[Callable[[sql.Connection], None]] = (
    _create_tables,
    _create_owed_webhooks,
    _create_deployments,
    _add_data_removed,
    _add_trainings,
    _create_sign_of_life,
)


def migrate(connection: sql.Connection) -> None:
    """Brings a database of any earlier release up to date, whatever is killed meanwhile. Raises
    `CannotStart` for one of a later release: what that has written would not be understood.
    """
    # Python's sqlite3 would commit each statement that changes a table by itself.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    (seen,) = connection.execute(sql.text("PRAGMA user_version")).one()
    if seen > len(MIGRATIONS):
        raise CannotStart(
            f"the database is of a later Atelier (its form is number {seen}, this one knows up to "
            f"{len(MIGRATIONS)}). Start that one, or give another folder with --data."
        )
    for migration in MIGRATIONS[seen:]:
        migration(connection)
    connection.execute(sql.text(f"PRAGMA user_version = {len(MIGRATIONS)}"))


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


UPSERT = insert(predictions)
UPSERT = UPSERT.on_conflict_do_update(
    index_elements=[predictions.c.id],
    set_={
        column.name: UPSERT.excluded[column.name] for column in predictions.c if column.name != "id"
    },
)
OWE = insert(owed_webhooks).on_conflict_do_nothing()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def as_json(value: Any) -> str:
    return _encode(value).decode()


def prediction_row(prediction: Prediction) -> dict[str, Any]:
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
        "input": as_json(prediction.input),
        "output": as_json(prediction.output),
        "metrics": as_json(prediction.metrics),
        "webhook": as_json(
            [
                prediction.webhook,
                prediction.webhook_events_filter,
                prediction.origin,
                prediction.context,
                prediction.called,
            ]
        ),
        "deployment": prediction.deployment,
        "data_removed": prediction.data_removed,
        "destination": prediction.destination,
    }


def row_prediction(row: Any) -> Prediction:
    output = _decode(row.output)
    # What the request said beside its inputs; early rows have less of it.
    said: list[Any] = _decode(row.webhook)
    missing: list[Any] = ["", {}, ""]
    webhook, events, origin, context, called = [*said, *missing[len(said) - 2 :]]
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
        origin=origin,
        context=context,
        called=called,
        deployment=row.deployment,
        data_removed=bool(row.data_removed),
        destination=row.destination,
    )


def file_row(file: StoredFile) -> dict[str, Any]:
    return {**msgspec.structs.asdict(file), "metadata": as_json(file.metadata)}


def row_file(row: Any) -> StoredFile:
    return StoredFile(**{**row._mapping, "metadata": _decode(row.metadata)})
