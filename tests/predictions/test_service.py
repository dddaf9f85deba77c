"""The core, with real models in real processes on a real database."""

from __future__ import annotations

import asyncio
import base64
import http.server
import sqlite3
import threading
import time
from dataclasses import replace

import httpx
import pytest

from cog.encoding import FILE
from errors import CannotKeep, FileTooLarge, InvalidInput, InvalidVersion, NotFound
from model_registry.catalog import Catalog
from predictions.prediction import Prediction, Status
from predictions.pricing import rate
from predictions.service import MASKED
from predictions.store import Filter, Store, new_id
from tests.conftest import MODELS
from workers import messages

RED_DOT = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763"
        "f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
    )
).decode()


async def test_a_prediction_runs_and_its_history_is_what_was_stored(app):
    ended = await app.run("local/echo", {"text": "hello"})
    assert (ended.status, ended.output, ended.error) == (Status.SUCCEEDED, "hello", None)
    assert ended.predict_time >= 0 and ended.total_time >= ended.predict_time
    assert ended.hardware == "cpu" and ended.cost == pytest.approx(ended.predict_time * 0.1 / 3600)
    assert await app.store.get(ended.id) == ended
    assert (await app.service.list(Filter())).predictions == (ended,)


async def test_an_input_may_choose_another_model_where_none_is_pinned(start, described):
    models = Catalog.load([MODELS], described)
    variants = {"kind": {"other": "local/echo", "own": "local/counts"}}
    models.add(replace(models.find("local/counts"), variants=variants))
    app = await start(models)
    other = await app.run("local/counts", {"kind": "other", "text": "hello"})
    assert (other.model, other.output, other.input) == ("local/echo", "hello", {"text": "hello"})
    pinned = f"local/counts:{models.find('local/counts').latest.id}"
    for reference, kind in (pinned, "other"), ("local/counts", "own"), ("local/counts", ["other"]):
        with pytest.raises(InvalidInput, match="kind"):
            await app.service.create(reference, {"kind": kind})


async def test_a_prediction_is_on_record_before_its_id_is_given(app):
    created = await app.service.create("local/never-ends", {})
    assert (await app.store.get(created.id)).status is Status.STARTING


async def test_an_end_is_on_record_before_anybody_is_told(app):
    created = await app.service.create("local/echo", {"text": "x"})
    ended = await app.end(created)
    assert (await app.store.get(ended.id)).status is Status.SUCCEEDED


async def test_every_follower_sees_all_tokens_and_the_end_whenever_it_comes(app):
    created = await app.service.create("local/counts", {"n": 200, "delay": 0.002})

    async def follow():
        seen = ()
        async for snapshot in app.service.follow(created.id):
            output = snapshot.output or ()
            assert output[: len(seen)] == seen
            seen = output
        return snapshot

    early = [asyncio.create_task(follow()) for _ in range(3)]
    await app.until(created, lambda p: len(p.output or ()) > 50)
    late = asyncio.create_task(follow())
    snapshots = await asyncio.gather(*early, late)
    after = [snapshot async for snapshot in app.service.follow(created.id)]
    for snapshot in [*snapshots, *after]:
        assert snapshot.status is Status.SUCCEEDED
        assert snapshot.output == tuple(f"{n} " for n in range(200))


async def test_a_failure_keeps_output_logs_and_reason(app):
    ended = await app.run("local/fails-midway")
    assert ended.status is Status.FAILED
    assert ended.error == "It went wrong midway."
    assert ended.output == ("one ", "two ")
    assert ended.logs.startswith("so far so good\n") and "Traceback" in ended.logs


async def test_an_input_that_the_model_refuses_fails_with_its_sentence_and_no_traceback(app):
    ended = await app.run("local/refuses", {"text": " "})
    assert ended.status is Status.FAILED
    assert ended.error == "text is ' ', which says nothing. Write some words."
    assert ended.logs == "reading\n"


@pytest.mark.parametrize(
    ("model", "inputs", "error"),
    [
        ("local/fails-in-setup", {}, "The weights are not there."),
        ("local/exits", {"code": 7}, "exited with code 7"),
        ("local/segfaults", {}, "SIGSEGV"),
        ("local/wrong-type", {"kind": "object"}, "which cannot be JSON"),
        ("local/wrong-type", {"kind": "missing-file"}, "nowhere.png"),
    ],
)
async def test_each_way_to_fail_has_its_reason_and_harms_nothing_else(app, model, inputs, error):
    ended = await app.run(model, inputs)
    assert ended.status is Status.FAILED and error in ended.error
    assert (await app.run("local/echo", {"text": "on"})).status is Status.SUCCEEDED


async def test_an_iterator_that_yields_nothing_succeeds_with_an_empty_list(app):
    ended = await app.run("local/yields-nothing")
    assert (ended.status, ended.output) == (Status.SUCCEEDED, ())


async def test_unknown_models_and_versions_are_refused(app):
    with pytest.raises(NotFound, match="Did you mean 'local/echo'"):
        await app.service.create("local/ecco", {"text": "x"})
    with pytest.raises(InvalidVersion):
        await app.service.create("local/echo:" + "0" * 64, {"text": "x"})
    with pytest.raises(InvalidVersion):
        await app.service.create("f" * 64, {"text": "x"})
    with pytest.raises(NotFound):
        await app.service.get("nothing")
    assert (await app.service.totals()).count == 0


async def test_a_pinned_version_is_the_one_that_runs(app, catalog):
    version = catalog.resolve("local/echo")
    for reference in (version.id, f"local/echo:{version.id}"):
        assert (await app.run(reference, {"text": "x"})).version == version.id


async def test_cancel_is_on_record_at_once_and_frees_the_model(app):
    created = await app.service.create("local/never-ends", {})
    await app.until(created, lambda p: p.status is Status.PROCESSING)
    canceled = await app.service.cancel(created.id)
    assert canceled.status is Status.CANCELED and canceled.predict_time > 0
    assert (await app.store.get(created.id)).status is Status.CANCELED
    assert await app.service.cancel(created.id) == canceled
    with pytest.raises(NotFound):
        await app.service.cancel("nothing")


async def test_a_deadline_aborts_what_has_not_started_and_cancels_what_runs(app):
    blocking = await app.service.create("local/never-ends", {})
    await app.until(blocking, lambda p: p.status is Status.PROCESSING)
    queued = await app.service.create("local/never-ends", {}, deadline=time.time() + 0.2)
    assert (await app.end(queued)).status is Status.ABORTED
    await app.service.cancel(blocking.id)
    running = await app.service.create("local/never-ends", {}, deadline=time.time() + 1.5)
    await app.until(running, lambda p: p.status is Status.PROCESSING)
    assert (await app.end(running)).status is Status.CANCELED


async def test_a_cancel_stops_the_run_at_once_though_the_database_is_held(
    app, tmp_path, monkeypatch
):
    monkeypatch.setattr("predictions.service._KEPT_WITHIN", 0.1)
    created = await app.service.create("local/never-ends", {})
    await app.until(created, lambda p: p.status is Status.PROCESSING)
    (instance,) = app.service.pool._instances.values()
    held = sqlite3.connect(tmp_path / "data" / "atelier.db")
    try:
        held.execute("BEGIN IMMEDIATE")
        with pytest.raises(CannotKeep, match="the run was stopped, but that is not on record yet"):
            await app.service.cancel(created.id)
        while instance.running:
            await asyncio.sleep(0.01)
        # Its end is committed before anybody is told.
        assert (await app.service.get(created.id)).status is Status.PROCESSING
        held.rollback()
    finally:
        held.close()
    assert (await app.end(created)).status is Status.CANCELED
    assert (await app.service.cancel(created.id)).status is Status.CANCELED


async def test_what_was_queued_runs_after_a_restart_and_what_ran_has_failed(start):
    app = await start()
    running = await app.service.create("local/never-ends", {})
    await app.until(running, lambda p: p.status is Status.PROCESSING)
    # As a kill leaves it: the store knows what nobody has told the pool.
    queued = Prediction(
        id=new_id(),
        model="local/echo",
        version=app.service.catalog.resolve("local/echo").id,
        input={"text": "patient"},
        created_at=time.time(),
    )
    interrupted = Prediction(
        id=new_id(),
        model="local/echo",
        version=queued.version,
        input={"text": "x"},
        created_at=time.time(),
        status=Status.PROCESSING,
        started_at=time.time(),
        output=("partial",),
    )
    await app.store.save(queued)
    await app.store.save(interrupted)
    app = await start()
    assert (await app.end(queued)).output == "patient"
    failed = await app.end(interrupted)
    assert failed.status is Status.FAILED and "stopped or killed" in failed.error
    assert failed.output == ("partial",)
    assert (await app.service.get(running.id)).status is Status.FAILED


async def test_what_a_kill_interrupted_is_charged_until_the_last_sign_of_life(start):
    app = await start()
    began = time.time() - 10_000
    interrupted = Prediction(
        id=new_id(),
        model="local/echo",
        version=app.service.catalog.resolve("local/echo").id,
        input={"text": "x"},
        created_at=began,
        status=Status.PROCESSING,
        started_at=began,
        hardware="cpu",
    )
    await app.store.save(interrupted)
    await start.stop()
    store = Store(app.service.files.root.parent / "atelier.db")
    store.show_life(began + 100)
    store.close()
    app = await start()
    failed = await app.end(interrupted)
    assert failed.predict_time == pytest.approx(100)
    assert failed.cost == pytest.approx(100 * rate("cpu"))


async def test_while_something_runs_the_app_shows_that_it_lives(start, monkeypatch):
    monkeypatch.setattr("predictions.service._SHOW_LIFE_EVERY", 0.01)
    app = await start()
    assert await app.store.last_alive() == 0
    created = await app.service.create("local/never-ends", {})
    running = await app.until(created, lambda p: p.status is Status.PROCESSING)

    async def seen():
        while await app.store.last_alive() <= running.started_at:
            await asyncio.sleep(0.01)

    await asyncio.wait_for(seen(), 30)


async def test_what_a_kill_has_left_half_written_goes_at_the_next_start(start):
    app = await start()
    root = app.service.files.root
    await app.service.files.save(b"whole", name="whole.txt")
    await app.run("local/files", {"n": 1})
    whole = {path for path in root.rglob("*") if path.is_file()}
    interrupted = Prediction(
        id=new_id(),
        model="local/echo",
        version=app.service.catalog.resolve("local/echo").id,
        input={"text": "x"},
        created_at=time.time(),
        status=Status.PROCESSING,
    )
    await app.store.save(interrupted)
    for folder in (root / "uploads" / new_id(), app.service.files.outputs_folder(interrupted.id)):
        folder.mkdir()
        (folder / "half.txt").write_text("ha")
    app = await start()
    assert {path for path in root.rglob("*") if path.is_file()} == whole
    assert {path.parent for path in whole} == {path for path in root.glob("*/*")}


async def test_what_a_prediction_was_given_that_was_never_made_goes_at_the_next_start(start):
    app = await start()
    files = app.service.files
    given = await files.save(b"given", name="given.txt", prediction_id=new_id())
    kept = await files.save(b"kept", name="kept.txt")
    app = await start()
    with pytest.raises(NotFound):
        await app.service.files.get(given.id)
    assert {path.name for path in (files.root / "uploads").iterdir()} == {kept.id}


async def test_an_upload_whose_sender_leaves_while_it_is_recorded_is_kept_whole(app):
    files = app.service.files
    adding, added = asyncio.Event(), []
    add_file = app.store.add_file

    def told(file):
        adding.set()
        added.append(file)
        return add_file(file)

    app.store.add_file = told
    saving = asyncio.create_task(files.save(b"whole", name="whole.txt"))
    await adding.wait()
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    await app.run("local/echo", {"text": "x"})  # is recorded after it
    assert files.path(await files.get(added[0].id)).read_bytes() == b"whole"


async def test_a_queued_prediction_whose_version_is_gone_fails_with_the_reason(start):
    app = await start()
    gone = Prediction(
        id=new_id(), model="local/echo", version="a" * 64, input={}, created_at=time.time()
    )
    await app.store.save(gone)
    app = await start()
    failed = await app.end(gone)
    assert failed.status is Status.FAILED and "no such version" in failed.error


async def test_secrets_reach_the_model_and_nothing_else(app, tmp_path):
    given = {"prompt": "x", "token": "hunter2-is-secret"}
    ended = await app.run("local/every-input", given)
    assert ended.output["token"] == "a secret of 17 characters"
    assert ended.input["token"] == MASKED
    await app.service.stop()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"hunter2" not in path.read_bytes(), path


async def test_uploads_data_uris_and_our_own_urls_reach_the_model_as_files(app):
    upload = await app.service.files.save(b"12345", name="five.txt")
    first = await app.run("local/every-input", {"prompt": "x", "document": {FILE: upload.id}})
    assert first.output["document"] == "a file of 5 bytes named five.txt"
    url = f"http://anywhere:1/v1/files/{upload.id}"
    second = await app.run("local/every-input", {"prompt": "x", "images": [url, "data:,abc"]})
    assert second.output["images"] == [
        "a file of 5 bytes named five.txt",
        "a file of 3 bytes named input",
    ]
    assert all(set(item) == {FILE} for item in second.input["images"])


async def test_output_files_are_kept_and_can_be_inputs_again(app):
    uri = f"data:image/png;base64,{RED_DOT}"
    first = await app.run("local/image-in-out", {"image": uri})
    file = await app.service.files.get(first.output[FILE])
    assert (file.name, file.content_type) == ("inverted.png", "image/png")
    assert app.service.files.path(file).read_bytes().startswith(b"\x89PNG")
    second = await app.run("local/image-in-out", {"image": first.output})
    assert second.status is Status.SUCCEEDED


async def test_an_upload_that_the_disk_refuses_is_no_fault(app):
    (app.service.files.root / "uploads").write_text("in the way")
    with pytest.raises(CannotKeep, match="Make room"):
        await app.service.files.save(b"content", name="a.txt")


async def test_a_file_that_comes_after_the_end_is_not_kept(app):
    made = await app.run("local/files", {"n": 1})
    (kept,) = app.service.files.outputs_folder(made.id).iterdir()
    late = kept.with_name("late.txt")
    late.write_text("late")
    both = [{FILE: str(kept)}, {FILE: str(late)}]
    app.service.pool.events([messages.OutputPieces(made.id, both)])
    while late.exists():
        await asyncio.sleep(0.01)
    assert kept.exists()


async def test_bad_files_are_refused_or_fail_with_a_sentence(app):
    for value, words in (
        ("/etc/passwd", "Paths are not accepted"),
        ("file:///etc/passwd", "Paths are not accepted"),
        ({FILE: "a" * 26}, "does not exist"),
        (f"http://x/v1/files/{'a' * 26}", "does not exist"),
        ("data:image/png;base64,%%%", "base64"),
    ):
        with pytest.raises(InvalidInput, match=words) as caught:
            await app.service.create("local/image-in-out", {"image": value})
        assert [p.field for p in caught.value.problems] == ["image"]
    for content in (b"", b"no picture"):
        uri = "data:image/png;base64," + base64.b64encode(content).decode()
        ended = await app.run("local/image-in-out", {"image": uri})
        assert ended.status is Status.FAILED and "cannot identify image" in ended.error


async def test_a_file_over_the_limit_is_refused_and_leaves_nothing(start, tmp_path):
    app = await start(limit=1000)
    with pytest.raises(FileTooLarge):
        await app.service.create("local/image-in-out", {"image": "data:," + "x" * 2000})
    assert not list((tmp_path / "data" / "files").rglob("*.*"))


@pytest.fixture
def web():
    """A web server with one picture."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = base64.b64decode(RED_DOT)
            self.send_response(200 if self.path == "/dot.png" else 404)
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def test_urls_are_fetched_and_what_cannot_be_fetched_fails_the_prediction(app, web):
    assert (await app.run("local/image-in-out", {"image": f"{web}/dot.png"})).error is None
    missing = await app.run("local/image-in-out", {"image": f"{web}/nothing.png"})
    assert missing.status is Status.FAILED and "404" in missing.error
    refused = await app.run("local/image-in-out", {"image": "http://127.0.0.1:9/x.png"})
    assert refused.status is Status.FAILED and "cannot be fetched" in refused.error


@pytest.fixture
async def endless():
    """The address of a file that begins and then never goes on; `left` is set when its reader has
    left.
    """
    begun, left = asyncio.Event(), asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegins")
        begun.set()
        await reader.read()
        left.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/endless.png", begun, left


async def test_a_file_that_never_ends_is_given_up(app, endless, monkeypatch):
    monkeypatch.setattr("predictions.in_time.PATIENCE", 0.1)
    url, _, left = endless
    ended = await app.run("local/image-in-out", {"image": url})
    assert ended.status is Status.FAILED and "6 bytes have come in" in ended.error
    await asyncio.wait_for(left.wait(), 30)
    assert not list((app.service.files.root / "uploads").iterdir())


async def test_an_address_that_stays_silent_is_named_with_that_reason(app, endless, monkeypatch):
    monkeypatch.setattr("predictions.input_files._TIMEOUT", httpx.Timeout(0.1, connect=30.0))
    ended = await app.run("local/image-in-out", {"image": endless[0]})
    assert ended.error == f"{endless[0]} cannot be fetched: it did not answer in time."


async def test_a_host_that_is_none_is_named_with_its_reason(app):
    ended = await app.run("local/image-in-out", {"image": "http://xn--/dot.png"})
    given, _, reason = ended.error.partition(" cannot be fetched: ")
    assert given == "http://xn--/dot.png" and reason


async def test_nothing_more_is_fetched_for_what_is_canceled(app, endless):
    url, begun, left = endless
    created = await app.service.create("local/image-in-out", {"image": url})
    await asyncio.wait_for(begun.wait(), 30)
    uploads = app.service.files.root / "uploads"
    while not list(uploads.glob("*")):
        await asyncio.sleep(0.01)
    await app.service.cancel(created.id)
    await asyncio.wait_for(left.wait(), 20)  # sooner than it would be for its slowness
    while list(uploads.iterdir()):
        await asyncio.sleep(0.01)


async def test_offline_no_url_is_fetched(start, web):
    app = await start(offline=True)
    ended = await app.run("local/image-in-out", {"image": f"{web}/dot.png"})
    assert ended.status is Status.FAILED and "--offline" in ended.error


async def test_async_models_run_as_many_at_once_as_they_declare(app):
    created = [await app.service.create("local/async-batch", {"batch": 4}) for _ in range(4)]
    assert [(await app.end(p)).output for p in created] == [4, 4, 4, 4]


async def test_progress_and_metrics_are_told(app):
    created = await app.service.create("local/progress", {"steps": 3, "delay": 0.2})
    told = await app.until(created, lambda p: p.progress is not None)
    assert (told.progress.total, told.progress.unit) == (3, "step")
    ended = await app.end(created)
    assert ended.metrics == {"steps": 3} and ended.progress is None


async def test_loading_is_told_with_the_models_own_words(app):
    created = await app.service.create("local/slow-setup", {})
    told = await app.until(created, lambda p: "loading 1 of 2" in p.activity)
    assert told.status is Status.STARTING
    ended = await app.end(created)
    assert ended.status is Status.SUCCEEDED and ended.predict_time < 1 < ended.total_time


async def test_a_cancel_while_files_are_fetched_ends_it_and_nothing_is_run(app, monkeypatch):
    fetching, released = asyncio.Event(), asyncio.Event()
    fetch = app.service._input_files.fetch

    async def fetch_late(schema, inputs, *more):
        fetching.set()
        await released.wait()
        return await fetch(schema, {**inputs, "image": {FILE: file.id}}, *more)

    file = await app.service.files.save(base64.b64decode(RED_DOT), name="dot.png")
    monkeypatch.setattr(app.service._input_files, "fetch", fetch_late)
    before = set(app.service._tasks)
    created = await app.service.create("local/image-in-out", {"image": "http://x/dot.png"})
    tasks = app.service._tasks - before
    await fetching.wait()
    assert (await app.service.cancel(created.id)).status is Status.CANCELED
    released.set()
    await asyncio.gather(*tasks)
    assert not app.service.pool._queue and not app.service.pool._instances


async def test_a_url_that_confuses_every_library_fails_with_a_sentence(app):
    ended = await app.run("local/image-in-out", {"image": f"http://{'a' * 64}.com/x.png"})
    assert ended.status is Status.FAILED and "fetched" in ended.error


async def test_a_create_that_is_given_up_while_it_is_committed_does_not_wait_for_ever(app):
    saved = asyncio.Event()
    save = app.store.save

    def told(prediction):
        saved.set()
        return save(prediction)

    app.store.save = told
    creating = asyncio.create_task(app.service.create("local/echo", {"text": "x"}))
    await saved.wait()
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    app.store.save = save
    other = await app.run("local/echo", {"text": "y"})
    left = {p.id: p.status for p in (await app.service.list()).predictions}
    assert left.pop(other.id) is Status.SUCCEEDED
    assert list(left.values()) == [Status.CANCELED]


async def test_waiting_costs_the_database_nothing(app):
    blocking = await app.service.create("local/never-ends", {})
    await app.until(blocking, lambda p: p.status is Status.PROCESSING)
    queued = await app.service.create("local/never-ends", {})
    await app.until(queued, lambda p: p.activity != "")
    assert queued.id not in app.service._unfinished._unsaved


async def test_an_output_file_that_the_database_refuses_is_offered_again(app, tmp_path):
    with sqlite3.connect(tmp_path / "data" / "atelier.db") as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON files BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    folder = app.service.files.outputs_folder("prediction")
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("x")
    refused = asyncio.Event()
    record = app.service.files._record
    app.service.files._record = lambda file: (refused.set(), record(file))
    file = app.service.files.register_output("prediction", str(folder / "a.txt"))
    refused.clear()
    await asyncio.wait_for(refused.wait(), 30)
    database.execute("DROP TRIGGER refuse")
    database.close()

    async def recorded():
        while await app.store.get_file(file.id) is None:
            await asyncio.sleep(0)

    await asyncio.wait_for(recorded(), 30)
