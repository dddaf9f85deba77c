"""Trainings through the service: predictions that leave a version behind."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import threading

import pytest
from msgspec.structs import replace

from errors import InvalidDestination, InvalidInput, InvalidVersion, NotFound
from model_registry.catalog import Catalog
from model_registry.push_records import About
from model_registry.spec import Code, Version
from predictions.callers import Caller
from predictions.prediction import Status
from predictions.references import references
from predictions.service import INTERRUPTED, MASKED
from predictions.store import Filter
from predictions.trainings import gives_weights
from tests.conftest import MODELS

NAMES = ("trains", "trains-class", "echo")


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """What each of the models is, found out once."""
    data = tmp_path_factory.mktemp("known")
    return load(MODELS, data, *NAMES), data


def load(models, data, *names):
    folders = data / "folders"
    for name in names:
        shutil.copytree(models / name, folders / name, dirs_exist_ok=True)
    return Catalog.load([folders], data, data)


@pytest.fixture
def read(known, tmp_path):
    """Reads the catalog anew, as a start of the app does."""
    _, data = known
    own = tmp_path / "catalog"
    shutil.copytree(data, own)
    clock = itertools.count(step=10)  # every look into a folder is due
    return lambda: Catalog.load([own / "folders"], own, own, lambda: next(clock))


@pytest.fixture
async def app(start, read):
    return await start(read())


@pytest.fixture
def gate(monkeypatch):
    """Holds weights back on their way into a version: waits until there are some; lets them go."""

    def hold(trained):
        here, go, keep = threading.Event(), threading.Event(), trained.keep

        def held(*arguments):
            here.set()
            assert go.wait(60)
            return keep(*arguments)

        monkeypatch.setattr(trained, "keep", held)
        return lambda: asyncio.to_thread(here.wait, 60), go

    return hold


async def train(app, inputs, model="local/trains", destination="local/trains", **more):
    return await app.service.create(model, inputs, destination=destination, **more)


async def trained(app, inputs, model="local/trains", destination="local/trains", **more):
    """The version that a training has made, and the training."""
    training = await app.end(await train(app, inputs, model, destination, **more))
    assert training.status is Status.SUCCEEDED, training.error
    return app.service.catalog.resolve(training.output["version"]), training


async def test_the_weights_of_a_training_become_a_version_that_runs(app):
    parent = app.service.catalog.find("local/trains").latest
    version, training = await trained(app, {"word": "cats"})
    assert training.output["version"] == f"local/trains:{version.id}" and len(version.id) == 64
    assert training.version == parent.id and training.destination == "local/trains"
    assert "learning cats" in training.logs and training.metrics["loss"] == 0.5
    assert training.predict_time is not None and training.cost is not None
    assert (await app.run("local/trains")).output == "I know cats"
    assert (await app.run(f"local/trains:{version.id}")).output == "I know cats"
    assert (await app.run(version.id)).output == "I know cats"
    assert (await app.run(f"local/trains:{parent.id}")).output == "I know nothing"


async def test_a_trained_version_names_its_parent_its_inputs_and_its_training(app):
    parent = app.service.catalog.find("local/trains").latest
    version, training = await trained(app, {"word": "cats"})
    assert version.origin.parent == f"local/trains:{parent.id}"
    assert version.origin.training == training.id and version.origin.input == {"word": "cats"}
    assert app.service.catalog.find("local/trains").versions == (version, parent)


async def test_the_weights_can_be_downloaded(app):
    _, training = await trained(app, {"word": "cats"})
    (reference,) = references(training.output["weights"])
    file = await app.service.files.get(reference)
    assert app.service.files.path(file).read_text() == "cats"


async def test_a_trainer_may_be_a_class_and_give_an_object(app):
    version, training = await trained(app, {"factor": 3}, "local/trains-class", "local/echo")
    assert training.output["steps"] == 3 and version.model == "local/echo"
    assert (await app.run(f"local/echo:{version.id}", {"number": 2})).output == 60
    assert (await app.run("local/trains-class", {"number": 2})).output == 2


async def test_a_trained_version_can_be_trained_further(app):
    version, _ = await trained(app, {"word": "cats"})
    further, _ = await trained(app, {"word": "and dogs"}, f"local/trains:{version.id}")
    assert (await app.run(further.id)).output == "I know cats and dogs"
    assert further.origin.parent == f"local/trains:{version.id}"


async def test_the_same_weights_of_the_same_parent_are_the_same_version(app):
    parent = app.service.catalog.find("local/trains").latest
    first, _ = await trained(app, {"word": "cats"})
    second, _ = await trained(app, {"word": "cats"}, f"local/trains:{parent.id}")
    assert second == first
    elsewhere, _ = await trained(app, {"word": "cats"}, parent.id, "local/echo")
    assert elsewhere.id != first.id


async def test_files_and_secrets_are_inputs_of_a_training_too(app):
    upload = await app.service.files.save(b"and dogs", name="more.txt")
    inputs = {"word": "cats", "more": {"atelier:file": upload.id}, "token": "hush"}
    version, training = await trained(app, inputs)
    assert (await app.run(version.id)).output == "I know cats and dogs"
    assert training.input["token"] == MASKED and version.origin.input["token"] == MASKED


async def test_a_trained_version_outlives_a_restart(app, start, read):
    version, training = await trained(app, {"word": "cats"})
    app = await start(read())
    assert (await app.run(training.output["version"])).output == "I know cats"
    assert app.service.catalog.find("local/trains").latest == version


async def test_a_folder_may_be_edited_while_it_is_trained(app, gate):
    catalog = app.service.catalog
    parent = catalog.find("local/trains").latest
    keeping, go = gate(catalog.trained)
    training = await train(app, {"word": "cats"})
    await keeping()
    code = catalog.trained._folder.parent / "folders" / "trains" / "predict.py"
    code.write_text(code.read_text().replace("I know", "I forgot"))
    assert (await catalog.fresh("local/trains")).id != parent.id
    go.set()
    version = (await app.end(training)).output["version"]
    assert (await app.run(version)).output == "I know cats"
    with pytest.raises(InvalidVersion):
        await app.service.create(parent.id, {})


async def test_a_restart_runs_what_was_queued_and_fails_what_ran(app, start, read):
    running = await train(app, {"word": "cats", "ending": "never"})
    await app.until(running, lambda now: "learning" in now.logs)
    queued = await train(app, {"word": "dogs"})
    app = await start(read())
    ended = await app.end(running)
    assert ended.status is Status.FAILED and "Run it again" in ended.error
    ended = await app.end(queued)
    assert ended.status is Status.SUCCEEDED, ended.error
    assert (await app.run(ended.output["version"])).output == "I know dogs"


async def test_a_kill_after_the_version_was_made_leaves_a_training_that_succeeded(app, start, read):
    version, training = await trained(app, {"word": "cats"})
    before = {"status": Status.PROCESSING, "completed_at": None, "cost": None}
    output = {"weights": training.output["weights"]}
    await app.store.save(replace(training, output=output, **before))
    app = await start(read())
    ended = await app.end(training)
    assert ended.status is Status.SUCCEEDED and ended.output == training.output
    await app.store.save(replace(training, id="another", output=output, **before))
    app = await start(read())
    assert (await app.end(replace(training, id="another"))).error == INTERRUPTED


async def test_a_canceled_training_leaves_nothing_and_the_next_one_runs(app):
    training = await train(app, {"word": "cats", "ending": "never"})
    await app.until(training, lambda now: "learning" in now.logs)
    assert (await app.service.cancel(training.id)).status is Status.CANCELED
    assert len(app.service.catalog.find("local/trains").versions) == 1
    version, _ = await trained(app, {"word": "dogs"})
    assert (await app.run(version.id)).output == "I know dogs"


async def test_a_training_that_is_canceled_while_its_weights_are_kept_leaves_no_version(app, gate):
    keeping, go = gate(app.service.catalog.trained)
    training = await train(app, {"word": "cats"})
    await keeping()
    assert (await app.service.cancel(training.id)).status is Status.CANCELED
    go.set()
    version, _ = await trained(app, {"word": "dogs"})
    assert len(app.service.catalog.find("local/trains").versions) == 2
    assert [each.id for each in app.service.catalog.trained.read()] == [version.id]


async def test_a_training_that_raises_fails_with_its_reason(app):
    training = await app.end(await train(app, {"word": "cats", "ending": "raises"}))
    assert training.status is Status.FAILED and training.error == "It cannot be learnt."
    assert "Traceback" in training.logs and "learning cats" in training.logs


async def test_a_training_without_weights_fails(app):
    training = await app.end(await train(app, {"word": "cats", "ending": "empty-handed"}))
    assert training.status is Status.FAILED and "no file of weights" in training.error
    assert len(app.service.catalog.find("local/trains").versions) == 1


async def test_a_training_has_a_deadline_like_any_prediction(app):
    training = await train(app, {"word": "cats", "ending": "never"})
    started = await app.until(training, lambda now: now.status is Status.PROCESSING)
    late = await train(app, {"word": "dogs"}, deadline=started.started_at)
    assert (await app.end(late)).status is Status.ABORTED
    await app.service.cancel(training.id)


async def test_a_training_may_take_longer_than_a_prediction(start, read):
    app = await start(read(), run_timeout=0.001, train_timeout=60.0)
    await trained(app, {"word": "cats"})
    app = await start(read(), train_timeout=0.2)
    training = await app.end(await train(app, {"word": "cats", "ending": "never"}))
    assert training.status is Status.FAILED and "longer than 0.2 seconds" in training.error


async def test_lists_and_counts_tell_trainings_from_predictions(app):
    _, training = await trained(app, {"word": "cats"})
    prediction = await app.run("local/trains")

    async def listed(**chosen):
        return [each.id for each in (await app.service.list(Filter(**chosen))).predictions]

    assert await listed(trainings=True) == [training.id]
    assert await listed(trainings=False) == [prediction.id]
    assert await listed() == [prediction.id, training.id]
    assert await app.service.run_counts() == {"local/trains": 1}


async def test_what_cannot_be_trained_is_refused(app):
    with pytest.raises(InvalidVersion, match="no `train:`"):
        await train(app, {}, "local/echo")
    with pytest.raises(InvalidInput, match="word"):
        await train(app, {})
    with pytest.raises(NotFound):
        await train(app, {"word": "cats"}, "local/nobody")


async def test_a_destination_must_be_there_and_ones_own(app, start, read):
    with pytest.raises(InvalidDestination, match="local/nobody"):
        await train(app, {"word": "cats"}, destination="local/nobody")
    ada = Caller("token:ada", sees_all=False)
    with pytest.raises(InvalidDestination, match="is another's"):
        await train(app, {"word": "cats"}, caller=ada)
    models = read()
    shipped = Catalog(models.models(), trained=models.trained)
    app = await start(shipped)
    with pytest.raises(InvalidDestination, match="comes with Atelier"):
        await train(app, {"word": "cats"})


async def test_a_destination_that_has_gone_fails_the_training_and_keeps_its_weights(app):
    training = await train(app, {"word": "cats"}, destination="local/echo")
    app.service.catalog.remove("local/echo")
    ended = await app.end(training)
    assert ended.status is Status.FAILED and "'local/echo' does not exist" in ended.error
    assert references(ended.output)


async def test_many_trainings_of_one_version_run_one_after_another(app):
    asked = [await train(app, {"word": word}) for word in ("a", "b", "c")]
    ended = await asyncio.gather(*map(app.end, asked))
    made = {each.output["version"] for each in ended}
    assert len(made) == 3 and len(app.service.catalog.find("local/trains").versions) == 4


async def test_a_pushed_model_is_trained_and_what_was_made_outlives_its_parent(app, start, read):
    catalog, folders = app.service.catalog, app.service.catalog.trained._folder.parent / "folders"
    catalog.published.push(folders / "trains", "ada/mine")
    catalog.published.create("ada/tuned", About(created_at=1.0))
    parent = await catalog.fresh("ada/mine")
    ada = Caller("token:ada", sees_all=False)
    version, _ = await trained(app, {"word": "cats"}, "ada/mine", "ada/tuned", caller=ada)
    assert (await app.run("ada/tuned")).output == "I know cats"
    assert version.origin.parent == f"ada/mine:{parent.id}"
    catalog.published.remove_version("ada/mine", parent.id)
    app = await start(read())
    assert (await app.run("ada/tuned")).output == "I know cats"
    with pytest.raises(NotFound):
        await app.service.create("ada/mine", {})


@pytest.mark.parametrize(
    ("output", "gives"),
    [
        ({"type": "string", "format": "uri"}, True),
        ({"type": "string"}, False),
        ({"type": "object"}, True),
        ({"type": "object", "properties": {"weights": {}, "steps": {}}}, True),
        ({"type": "object", "properties": {"steps": {}}}, False),
        ({"$ref": "#/components/schemas/Made", "type": "object"}, True),
        ({"type": "array", "items": {"type": "string", "format": "uri"}}, False),
    ],
)
def test_which_outputs_can_hold_weights(output, gives):
    schema = {
        "components": {"schemas": {"Output": output, "Made": {"properties": {"weights": {}}}}}
    }
    assert gives_weights(Version("a", "b/c", 0.0, schema, Code("", ""))) is gives
