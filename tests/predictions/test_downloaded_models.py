"""Predictions of models whose weights are on the Hub: a real service, a real child, a stand-in for
the Hub.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from errors import CannotDownload, ConsentNeeded, InUse
from model_registry.catalog import Catalog
from model_registry.spec import Licence, Weights
from predictions.prediction import Status
from settings import HubSettings
from tests.hub_stand_in import LARGE, hub

REPO = "somebody/something"
SIZE = 20 * LARGE
WEIGHS = """
import os
from cog import BasePredictor

class Weighs(BasePredictor):
    def setup(self, weights: str, parts: dict):
        self.size = os.path.getsize(os.path.join(weights, "model.safetensors"))
        self.parts = {role: sorted(os.listdir(folder)) for role, folder in parts.items()}

    def predict(self, by: int = 1) -> str:
        return f"{self.size * by} {self.parts}"
"""


@pytest.fixture
def stand_in(tmp_path):
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "config.json").write_text("{}")
    (repository / "model.safetensors").write_bytes(bytes(SIZE))
    with hub({REPO: repository, "somebody/part": repository}) as served:
        yield served


@pytest.fixture
def weighs(tmp_path, described):
    """The catalog of one model, ada/weighs, which needs two repositories."""
    folder = tmp_path / "models" / "ada" / "weighs"
    folder.mkdir(parents=True)
    (folder / "cog.yaml").write_text("predict: predict.py:Weighs")
    (folder / "predict.py").write_text(WEIGHS)
    model = Catalog.load([tmp_path / "models"], described, specs=tmp_path).find("ada/weighs")
    weights = (Weights("", REPO), Weights("extra", "somebody/part", files=("config.json",)))
    code = replace(
        model.latest.code, weights="hub:", options={"parts": {"extra": weights[1].place}}
    )
    version = replace(model.latest, code=code, weights=weights)
    return replace(model, versions=(version,), licence=Licence("Apache-2.0"))


@pytest.fixture
def run(start, weighs, stand_in):
    """Starts the service over the catalog of that one model."""
    settings = HubSettings(endpoint=stand_in.address, pause=0.01, reserve=0)

    async def run(model=weighs, hub=settings, **more):
        return await start(Catalog([model]), hub=hub, **more)

    return run


def is_downloading(snapshot):
    return snapshot.progress is not None and snapshot.status is Status.STARTING


async def test_the_first_run_downloads_tells_how_far_it_is_and_runs(run, stand_in):
    app = await run()
    stand_in.stops_at = SIZE // 2
    created = await app.service.create("ada/weighs", {"by": 2})
    waiting = await app.until(created, is_downloading)
    assert waiting.activity.startswith("downloading weights · ")
    assert waiting.activity.count(" of 2.0 MB") == 1
    assert (waiting.progress.total, waiting.progress.unit) == (SIZE + 4, "byte")
    stand_in.flowing.set()
    ended = await app.end(created)
    assert ended.output == f"{2 * SIZE} {{'extra': ['config.json']}}"
    assert ended.logs.startswith("Downloading weights: ")
    assert "Downloaded the weights of ada/weighs: 2.0 MB in " in ended.logs

    served = stand_in.served.copy()
    again = await app.run("ada/weighs")
    assert again.output.startswith(f"{SIZE} ") and "ownload" not in again.logs
    assert stand_in.served == served


async def test_what_can_never_fit_is_told_so_before_a_byte_of_it_comes(run, weighs, stand_in):
    vast = replace(weighs.latest, memory=10**15)
    app = await run(replace(weighs, versions=(vast,)))
    ended = await app.run("ada/weighs")
    assert ended.status is Status.FAILED
    assert ended.error.startswith("It needs 1000000.0 GB of memory; ")
    assert not stand_in.requests


async def test_two_predictions_share_a_download_and_canceling_one_leaves_the_other(run, stand_in):
    app = await run()
    stand_in.stops_at = SIZE // 2
    first, second = [await app.service.create("ada/weighs", {}) for _ in range(2)]
    for each in (first, second):
        await app.until(each, is_downloading)
    assert (await app.service.cancel(first.id)).status is Status.CANCELED
    stand_in.flowing.set()
    assert (await app.end(second)).status is Status.SUCCEEDED
    assert stand_in.served[f"{REPO}/model.safetensors"] == SIZE


async def test_who_waits_for_anothers_download_reads_in_its_log_what_for_and_how_far_it_is(
    run, stand_in
):
    app = await run()
    stand_in.stops_at = SIZE // 2
    first = await app.service.create("ada/weighs", {})
    await app.until(first, lambda snapshot: is_downloading(snapshot) and snapshot.progress.done)
    second = await app.service.create("ada/weighs", {})
    told = await app.until(second, lambda snapshot: snapshot.logs)
    assert re.search(
        rf"^Waiting for a download of {REPO} that has begun already: [\d.]+ of 2.0 MB", told.logs
    )
    stand_in.flowing.set()
    assert "already" not in (await app.end(first)).logs
    assert "Downloaded the weights of ada/weighs" in (await app.end(second)).logs


async def test_what_holds_up_a_download_stands_in_the_logs_of_all_who_wait(run, stand_in):
    patient = HubSettings(endpoint=stand_in.address, pause=0.3, reserve=0)
    app = await run(hub=patient)
    stand_in.stops_at = SIZE // 2
    both = [await app.service.create("ada/weighs", {}) for _ in range(2)]
    for each in both:
        await app.until(each, is_downloading)
    stand_in.broken = True
    stand_in.flowing.set()
    for each in both:
        await app.until(each, lambda snapshot: "cannot be reached" in snapshot.logs)
    stand_in.broken = False
    for each in both:
        assert (await app.end(each)).status is Status.SUCCEEDED


async def test_canceling_the_last_stops_the_download_and_the_next_run_goes_on(run, stand_in):
    app = await run()
    stand_in.stops_at = SIZE // 2
    created = await app.service.create("ada/weighs", {})
    await app.until(created, lambda snapshot: is_downloading(snapshot) and snapshot.progress.done)
    await app.service.cancel(created.id)
    while app.service.downloads.running():
        await asyncio.sleep(0.01)
    stand_in.served.clear()
    stand_in.flowing.set()
    assert (await app.run("ada/weighs")).status is Status.SUCCEEDED
    assert stand_in.served[f"{REPO}/model.safetensors"] < SIZE


async def test_a_prediction_that_waits_for_weights_survives_the_end_of_the_app(run, stand_in):
    app = await run()
    stand_in.stops_at = SIZE // 2
    created = await app.service.create("ada/weighs", {"by": 3})
    await app.until(created, is_downloading)
    again = await run()
    stand_in.flowing.set()
    assert (await again.end(created)).output.startswith(f"{3 * SIZE} ")


async def test_a_licence_with_conditions_is_accepted_before_anything_is_made(run, weighs):
    licence = Licence("NC", non_commercial=True)
    app = await run(replace(weighs, licence=licence))
    with pytest.raises(ConsentNeeded):
        await app.service.create("ada/weighs", {})
    assert not (await app.service.list()).predictions
    app.service.downloads.consents.give(app.service.catalog.find("ada/weighs"))
    assert (await app.run("ada/weighs")).status is Status.SUCCEEDED


async def test_offline_a_run_is_refused_until_the_weights_are_there(run, weighs):
    app = await run(offline=True)
    with pytest.raises(CannotDownload, match="--offline"):
        await app.service.create("ada/weighs", {})
    online = await run()
    await online.run("ada/weighs")
    app = await run(offline=True)
    assert (await app.run("ada/weighs")).status is Status.SUCCEEDED


async def test_a_download_that_fails_fails_the_prediction_with_its_sentence(run, stand_in):
    app = await run()
    stand_in.broken = True
    ended = await app.run("ada/weighs")
    assert ended.status is Status.FAILED
    assert "cannot be reached" in ended.error and "kept" in ended.error


async def test_what_is_needed_stays_on_disk_and_what_is_not_may_go(run, stand_in):
    app = await run()
    await app.run("ada/weighs")
    held = {each.repo: each for each in (await app.service.inventory()).held}
    assert held[REPO].size >= SIZE and held[REPO].left == 0
    assert [model.id for model in held["somebody/part"].models] == ["ada/weighs"]
    assert (await app.service.last_runs())["ada/weighs"] > 0

    await app.service.remove_weights(REPO)
    assert REPO not in {each.repo for each in (await app.service.inventory()).held}
    stand_in.flowing.clear()
    waiting = await app.service.create("ada/weighs", {})
    await app.until(waiting, lambda snapshot: snapshot.activity.startswith("downloading"))
    with pytest.raises(InUse, match="in use"):
        await app.service.remove_weights("somebody/part")
    await app.service.cancel(waiting.id)
