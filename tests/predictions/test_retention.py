"""What is old is forgotten, and the record says so."""

from __future__ import annotations

import base64
import sqlite3

import pytest

from errors import NotFound
from predictions.prediction import Status
from predictions.retention import UPLOADS_LONGER
from tests.predictions.test_service import RED_DOT

DAY = 86400.0


async def test_an_old_prediction_loses_its_data_and_keeps_its_record(app):
    app.service.retention.seconds = DAY
    uri = f"data:image/png;base64,{RED_DOT}"
    ended = await app.run("local/image-in-out", {"image": uri})
    (name,) = app.service.files.outputs_folder(ended.id).iterdir()
    await app.service.retention.sweep(ended.completed_at + DAY - 1)
    assert (await app.service.get(ended.id)).output == ended.output and name.exists()
    await app.service.retention.sweep(ended.completed_at + DAY + 1)
    left = await app.service.get(ended.id)
    assert left.data_removed and left.input == {} and left.output is None and left.logs == ""
    assert (left.status, left.predict_time, left.cost) == (
        Status.SUCCEEDED,
        ended.predict_time,
        ended.cost,
    )
    assert not name.exists() and not list(app.service.files.root.glob("uploads/*"))


async def test_a_full_disk_gets_the_room_of_what_is_old_before_it_has_to_take_anything(
    app, tmp_path
):
    app.service.retention.seconds = DAY
    uri = f"data:image/png;base64,{RED_DOT}"
    ended = await app.run("local/image-in-out", {"image": uri})
    files = app.service.files.root
    with sqlite3.connect(tmp_path / "data" / "atelier.db") as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE DELETE ON files BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    with pytest.raises(Exception, match="full"):
        await app.service.retention.sweep(ended.completed_at + DAY + 1)
    assert not [path for path in files.rglob("*") if path.is_file()]
    database.execute("DROP TRIGGER refuse")
    database.close()
    await app.service.retention.sweep(ended.completed_at + DAY + 1)
    assert (await app.service.get(ended.id)).data_removed


async def test_what_still_runs_is_never_touched(app):
    app.service.retention.seconds = 0.0
    running = await app.service.create("local/never-ends", {})
    await app.service.retention.sweep(running.created_at + DAY)
    assert not (await app.store.get(running.id)).data_removed
    await app.service.cancel(running.id)


async def test_uploads_go_a_day_later(app):
    app.service.retention.seconds = DAY
    upload = await app.service.files.save(base64.b64decode(RED_DOT), name="dot.png")
    await app.service.retention.sweep(upload.created_at + DAY + 1)
    assert app.service.files.path(await app.service.files.get(upload.id)).exists()
    await app.service.retention.sweep(upload.created_at + DAY + UPLOADS_LONGER + 1)
    with pytest.raises(NotFound):
        await app.service.files.get(upload.id)


async def test_more_than_a_batch_is_cleared_in_one_sweep(app, monkeypatch):
    monkeypatch.setattr("predictions.retention._AT_ONCE", 2)
    app.service.retention.seconds = DAY
    ended = [await app.run("local/echo", {"text": "a"}) for _ in range(5)]
    await app.service.retention.sweep(ended[-1].completed_at + DAY + 1)
    for each in ended:
        assert (await app.service.get(each.id)).data_removed
