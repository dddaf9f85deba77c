"""Forgets what predictions were about once they are old enough: inputs, outputs, logs, files.

The record stays, with its times and its cost, and says that its data was removed (contract §3.6).
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sql

from errors import CannotKeep
from predictions.files import Files
from predictions.prediction import Status
from predictions.store import Store
from predictions.tables import files as file_table
from predictions.tables import predictions as table

_SWEEP_EVERY = 60.0
_AT_ONCE = 100
UPLOADS_LONGER = 86400.0
"""Seconds that uploads are kept beyond that: a prediction that waits may still need one."""
_ENDED = [each.value for each in Status if each.terminal]


class Retention:
    """`seconds` after its end a prediction's data is removed; None keeps everything."""

    def __init__(self, store: Store, files: Files, seconds: float | None) -> None:
        self._store = store
        self._files = files
        self.seconds = seconds

    async def run(self) -> None:
        """Goes on for ever; returns at once where everything is kept."""
        while self.seconds is not None:
            try:
                await self.sweep(time.time())
            except (OSError, CannotKeep, sql.exc.SQLAlchemyError) as error:  # later, then
                print(f"atelier: old predictions could not be cleared: {error}", file=sys.stderr)
            await asyncio.sleep(_SWEEP_EVERY)

    async def sweep(self, now: float) -> None:
        """Removes what is due at `now`, in Unix seconds."""
        assert self.seconds is not None
        while due := await self._due(now - self.seconds):
            folders = [self._files.outputs_folder(each) for each in due]
            await asyncio.to_thread(_remove, folders)
            await self._remove_files(file_table.c.prediction_id.in_(due))
            await self._store.write(
                sql.update(table)
                .where(table.c.id.in_(due))
                .values(input="{}", output="null", logs="", data_removed=True)
            )
        old = file_table.c.created_at < now - self.seconds - UPLOADS_LONGER
        await self._remove_files(file_table.c.prediction_id.is_(None) & old)

    async def _due(self, before: float) -> Sequence[str]:
        columns = table.c
        ended = columns.status.in_(_ENDED) & (columns.completed_at < before)
        statement = sql.select(columns.id).where(ended, columns.data_removed.is_not(True))
        return [row.id for row in await self._store.read(statement.limit(_AT_ONCE))]

    async def _remove_files(self, which: sql.ColumnElement[bool]) -> None:
        paths = [
            row.path for row in await self._store.read(sql.select(file_table.c.path).where(which))
        ]
        # The files first: a full disk takes no change of the database until they have made room.
        await asyncio.to_thread(_remove, [(self._files.root / path).parent for path in paths])
        await self._store.write(sql.delete(file_table).where(which))


def _remove(folders: Sequence[Any]) -> None:
    for folder in set(folders):
        shutil.rmtree(folder, ignore_errors=True)
