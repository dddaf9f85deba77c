"""The database: what is saved is there, whole and in order, and the newest state wins."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import pytest
import sqlalchemy

from cog.encoding import FILE
from errors import CannotKeep, CannotStart
from predictions import tables
from predictions.prediction import Prediction, Status
from predictions.store import Filter, Store, new_id


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "atelier.db")
    yield store
    store.close()


def prediction(number=0, **more):
    fields = {
        "id": f"p{number:03}",
        "model": "local/echo",
        "version": "0" * 64,
        "input": {"text": f"Text № {number}"},
        "created_at": 1000.0 + number,
    }
    return Prediction(**{**fields, **more})


async def test_a_prediction_comes_back_as_it_was_saved(store):
    saved = prediction(
        status=Status.SUCCEEDED,
        output=({FILE: "abc/x.png"}, "text"),
        logs="line\n",
        metrics={"a": {"b": 1}},
        started_at=1001.5,
        completed_at=1002.5,
        predict_time=1.0,
        hardware="cpu",
        cost=0.1,
        webhook="http://x/y?z",
        webhook_events_filter=("completed",),
        context={"who": "ada"},
        called="mine",
    )
    await store.save(saved)
    assert await store.get(saved.id) == saved
    assert await store.get("unknown") is None


@pytest.mark.parametrize("said", ['["http://x", null]', '["http://x", ["logs"], "http://me"]'])
async def test_rows_of_earlier_releases_are_read(store, tmp_path, said):
    await store.save(prediction())
    with sqlite3.connect(tmp_path / "atelier.db") as connection:
        connection.execute("UPDATE predictions SET webhook = ?", [said])
    connection.close()
    read = await store.get("p000")
    assert (read.webhook, read.context, read.called) == ("http://x", {}, "")
    assert read.origin == ("http://me" if "me" in said else "")


async def test_saves_that_gather_commit_together_and_the_newest_state_wins(store):
    saves = []
    for number in range(200):
        store.save_soon(prediction(number, logs="old"))
        saves.append(store.save(prediction(number, logs="new")))
    await asyncio.gather(*saves)
    page = await store.list(Filter(), 500)
    assert [p.logs for p in page.predictions] == ["new"] * 200


async def test_what_has_not_ended_is_the_queue_oldest_first(store):
    for number, status in enumerate(
        [Status.STARTING, Status.SUCCEEDED, Status.PROCESSING, Status.STARTING]
    ):
        store.save_soon(prediction(number, status=status))
    await store.save(prediction(9))
    assert [p.id for p in await store.unfinished()] == ["p000", "p002", "p003", "p009"]


async def test_pages_stay_where_they_are_when_new_rows_arrive(store):
    await asyncio.gather(*(store.save(prediction(n)) for n in range(25)))
    first = await store.list(Filter(), 10)
    await asyncio.gather(*(store.save(prediction(n)) for n in range(100, 110)))
    second = await store.list(Filter(), 10, before=first.next)
    third = await store.list(Filter(), 10, before=second.next)
    ids = [p.id for page in (first, second, third) for p in page.predictions]
    assert ids == [f"p{n:03}" for n in range(24, -1, -1)]
    assert third.next is None
    back = await store.list(Filter(), 10, after=third.previous)
    assert back.predictions == second.predictions
    assert first.previous is None


async def test_predictions_of_the_same_moment_are_each_listed_once(store):
    await asyncio.gather(*(store.save(prediction(n, created_at=5.0)) for n in range(7)))
    seen, before = [], None
    while True:
        page = await store.list(Filter(), 2, before=before)
        seen += [p.id for p in page.predictions]
        if page.next is None:
            break
        before = page.next
    assert seen == [f"p{n:03}" for n in range(6, -1, -1)]


async def test_filters_and_totals_count_the_same_predictions(store):
    rows = [
        prediction(0, status=Status.SUCCEEDED, predict_time=1.5, cost=0.25),
        prediction(1, status=Status.FAILED, predict_time=0.5, cost=0.25, model="other/model"),
        prediction(2, input={"text": '100 % "quoted" Größe'}, predict_time=2.0, cost=0.5),
    ]
    await asyncio.gather(*map(store.save, rows))
    cases = [
        (Filter(), 3, 4.0, 1.0),
        (Filter(model="local/echo"), 2, 3.5, 0.75),
        (Filter(status=Status.FAILED), 1, 0.5, 0.25),
        (Filter(search='% "QUOTED"'), 1, 2.0, 0.5),
        (Filter(search="größe"), 1, 2.0, 0.5),
        (Filter(search="_"), 0, 0.0, 0.0),
        (Filter(created_after=1001.0, created_before=1002.0), 1, 0.5, 0.25),
    ]
    for wanted, count, seconds, cost in cases:
        totals = await store.totals(wanted)
        found = (totals.count, totals.predict_time, totals.cost)
        assert found == (count, seconds, cost), wanted
        assert len((await store.list(wanted, 10)).predictions) == count


async def test_a_refused_write_is_told_to_who_waits_and_later_ones_go_on(store):
    with pytest.raises(Exception, match="NOT NULL"):
        await store.save(prediction(0, model=None))
    await store.save(prediction(1))
    assert (await store.list(Filter(), 10)).predictions == (prediction(1),)


async def test_a_database_that_takes_nothing_now_is_no_fault_and_takes_it_later(store, tmp_path):
    with sqlite3.connect(tmp_path / "atelier.db") as database:
        database.execute("ALTER TABLE predictions RENAME TO others")
    with pytest.raises(CannotKeep, match="no such table"):
        await store.save(prediction())
    with sqlite3.connect(tmp_path / "atelier.db") as database:
        database.execute("ALTER TABLE others RENAME TO predictions")
    database.close()
    await store.save(prediction())
    assert await store.get("p000") == prediction()


async def test_what_is_seldom_written_is_no_fault_either_when_the_disk_is_full(store):
    def is_full(connection, _):
        connection.execute("PRAGMA max_page_count = 1")

    sqlalchemy.event.listen(store._engine, "connect", is_full)
    store._engine.dispose()
    row = {"id": "a/b", "created_at": 0.0, "release": "x" * 1_000_000}
    with pytest.raises(CannotKeep, match=r"database or disk is full\. Make room"):
        await store.write(sqlalchemy.insert(tables.deployments).values(row))
    assert not await store.read(sqlalchemy.select(tables.deployments))


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "atelier.db").write_text("no database" * 100)
    with pytest.raises(CannotStart, match=r"atelier\.db cannot be used"):
        Store(tmp_path / "atelier.db")


def test_an_old_database_is_upgraded_and_keeps_its_rows(tmp_path, monkeypatch):
    path = tmp_path / "atelier.db"
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()

    def add_a_column(connection):
        connection.exec_driver_sql("ALTER TABLE predictions ADD COLUMN stars INTEGER")

    monkeypatch.setattr(tables, "MIGRATIONS", (*tables.MIGRATIONS[:1], add_a_column))
    Store(path).close()
    with sqlite3.connect(path) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(predictions)")]
        assert "stars" in names
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()


def test_a_database_of_a_later_release_is_left_as_it_is(tmp_path):
    path = tmp_path / "atelier.db"
    Store(path).close()
    later = len(tables.MIGRATIONS) + 3
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {later}")
        with pytest.raises(CannotStart, match=f"of a later Atelier .its form is number {later}"):
            Store(path)
        assert connection.execute("PRAGMA user_version").fetchone() == (later,)


def test_a_migration_that_is_killed_halfway_is_begun_anew(tmp_path, monkeypatch):
    path, whole = tmp_path / "atelier.db", tables.MIGRATIONS

    def is_killed(connection):
        raise SystemExit

    monkeypatch.setattr(tables, "MIGRATIONS", (*whole[:-1], is_killed))
    with pytest.raises(SystemExit):
        Store(path)
    monkeypatch.setattr(tables, "MIGRATIONS", whole)
    Store(path).close()


def test_ids_are_26_characters_that_need_no_escaping():
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(i) == 26 and i.isalnum() and i == i.lower() for i in ids)


async def test_what_the_database_refuses_is_told_without_what_people_wrote(store, tmp_path, capfd):
    with sqlite3.connect(tmp_path / "atelier.db") as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON predictions"
            " BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    database.close()
    with pytest.raises(Exception, match="full"):
        await store.save(prediction(input={"text": "private words"}))
    said = capfd.readouterr().err
    assert "refused a write" in said and "private words" not in said


async def test_a_webhook_that_a_refused_write_kept_owed_is_settled_by_the_next(store, tmp_path):
    owing = prediction(0, status=Status.SUCCEEDED, webhook="http://127.0.0.1")
    await store.save(owing)
    assert await store.owing() == [owing]
    with sqlite3.connect(tmp_path / "atelier.db") as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE DELETE ON owed_webhooks"
            " BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    store.settle_webhook(owing.id)
    with pytest.raises(Exception, match="full"):  # in one write with it or after it
        while True:
            await store.save(prediction(1))
    with sqlite3.connect(tmp_path / "atelier.db") as database:
        database.execute("DROP TRIGGER refuse")
    database.close()
    await store.save(prediction(2))
    assert await store.owing() == []
