"""Weights from a Hub: whole, shared, interrupted, gone on with, refused."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from errors import AtelierError, CannotDownload, ConsentNeeded
from model_registry import fetch
from model_registry.downloads import ROOT, Downloads, Progress, with_folders
from model_registry.hub_cache import HubCache
from model_registry.shelf import Extent
from model_registry.spec import Code, Licence, Model, Version, Weights
from settings import HubSettings
from tests.hub_stand_in import LARGE, Repository, hub

REPO = "somebody/something"
SIZE = 40 * LARGE


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(range(250)) * (SIZE // 250))
    (folder / "pytorch_model.bin").write_bytes(bytes(LARGE))
    return folder


@pytest.fixture
def stand_in(repository):
    with hub({REPO: repository}) as served:
        yield served


@pytest.fixture
async def start(tmp_path, stand_in):
    """Downloads over one data folder, as many as are asked for."""
    started = []

    def start(offline=False, cache=None, **settings):
        given = {"endpoint": stand_in.address, "pause": 0.01, "reserve": 0, **settings}
        downloads = Downloads(HubSettings(cache=cache, **given), tmp_path / "data", offline)
        started.append(downloads)
        return downloads

    yield start
    for each in started:
        await each.stop()


def version_of(*weights, licence=None):
    parts = {each.role: each.place for each in weights if each.role}
    code = Code(
        "/runners", "file.py:Runner", weights="hub:", options={"parts": parts} if parts else {}
    )
    schema = {"components": {"schemas": {"Input": {}, "Output": {}}}}
    version = Version("0" * 64, "ada/thing", 0.0, schema, code, weights=weights)
    return Model("ada", "thing", (version,), licence=licence), version


async def provided(downloads, version, report=lambda progress: None):
    return await asyncio.wait_for(downloads.provide(version, report), 60)


async def until(condition):
    async def wait():
        while not condition():
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), 60)


async def test_the_code_gets_the_folder_of_what_was_downloaded(start, stand_in, repository):
    _, version = version_of(Weights("", REPO), Weights("refiner", REPO, files=("config.json",)))
    code = (await provided(start(), version)).code
    found = {path.name for path in os.scandir(code.weights)}
    assert found == {"config.json", "model.safetensors"}
    content = (repository / "model.safetensors").read_bytes()
    with open(f"{code.weights}/model.safetensors", "rb") as file:
        assert file.read() == content
    assert code.options["parts"] == {"refiner": code.weights}


async def test_what_is_on_disk_is_not_asked_for_again(start, stand_in):
    _, version = version_of(Weights("", REPO))
    first = await provided(start(), version)
    asked = len(stand_in.requests)
    assert await provided(start(), version) == first
    assert len(stand_in.requests) == asked


async def test_other_programs_find_what_was_downloaded_and_the_other_way_round(
    start, stand_in, tmp_path
):
    home = {"HF_HOME": str(tmp_path / "home"), **stand_in.environment()}
    program = f"from huggingface_hub import snapshot_download as get; print(get('{REPO}'))"

    def library(**more):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **home, **more},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    theirs = library()
    stand_in.served.clear()
    _, version = version_of(Weights("", REPO))
    ours = await provided(start(cache=tmp_path / "home" / "hub"), version)
    assert ours.code.weights == theirs
    assert not stand_in.served

    ours = await provided(start(cache=tmp_path / "other" / "hub"), version)
    found = library(HF_HOME=str(tmp_path / "other"), HF_HUB_OFFLINE="1")
    assert found == ours.code.weights


async def test_a_killed_download_goes_on_from_where_it_was(start, stand_in, tmp_path):
    _, version = version_of(Weights("", REPO))
    stand_in.stops_at = SIZE // 2
    killed = fetching(start(), version, tmp_path)
    await until(lambda: not stand_in.flowing.is_set())
    await until(lambda: partial(tmp_path) >= SIZE // 4)
    killed.kill()
    killed.wait()
    killed.stdout.close()
    killed.stdin.close()
    kept = partial(tmp_path)
    stand_in.served.clear()
    stand_in.flowing.set()
    seen = []
    await provided(start(), version, seen.append)
    # The killed one's connection takes a chunk or two more before it is seen to be closed.
    assert SIZE - kept <= stand_in.served[f"{REPO}/model.safetensors"] <= SIZE - kept + LARGE
    assert seen[-1].done == seen[-1].total == SIZE + 2


async def test_a_download_whose_process_is_killed_goes_on_by_itself(start, stand_in, tmp_path):
    _, version = version_of(Weights("", REPO))
    stand_in.stops_at = SIZE // 2
    waiting = asyncio.create_task(provided(start(), version))
    await until(lambda: not stand_in.flowing.is_set())
    await until(lambda: partial(tmp_path) >= SIZE // 4)
    asked = len(stand_in.requests)
    kill_fetching()
    await until(lambda: len(stand_in.requests) > asked)
    kept = partial(tmp_path)
    stand_in.served.clear()
    stand_in.flowing.set()
    assert (await waiting).code.weights
    # The killed one's connection takes a chunk or two more before it is seen to be closed.
    assert stand_in.served[f"{REPO}/model.safetensors"] <= SIZE - kept + LARGE


async def test_a_download_whose_process_is_killed_again_and_again_says_so(start, stand_in):
    _, version = version_of(Weights("", REPO))
    stand_in.flowing.clear()
    waiting = asyncio.create_task(provided(start(), version))
    while not waiting.done():
        kill_fetching()
        await asyncio.sleep(0.01)
    with pytest.raises(CannotDownload, match="ended unexpectedly.* what has arrived is kept"):
        await waiting


def kill_fetching():
    for each in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "model_registry.fetch" in each.cmdline():
                each.kill()


def fetching(downloads, version, tmp_path):
    """The process that downloads, by itself."""
    (weights,) = version.weights
    process = subprocess.Popen(
        [sys.executable, "-m", "model_registry.fetch"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    cache = downloads.shelf.cache.root
    process.stdin.write(fetch.request(weights, tmp_path / "data", cache, downloads._settings))
    process.stdin.flush()
    return process


def partial(tmp_path):
    return sum(path.stat().st_size for path in (tmp_path / "data").rglob("*.atelier.incomplete"))


async def test_a_download_ends_with_the_app_that_asked_for_it(start, stand_in, tmp_path):
    _, version = version_of(Weights("", REPO))
    stand_in.flowing.clear()
    process = fetching(start(), version, tmp_path)
    assert json.loads(process.stdout.readline())["total"]
    process.stdin.close()
    assert await asyncio.to_thread(process.wait, 60) == 1
    process.stdout.close()


async def test_two_who_wait_share_a_download_and_the_last_who_leaves_stops_it(start, stand_in):
    downloads = start()
    _, version = version_of(Weights("", REPO))
    stand_in.stops_at = SIZE // 2
    first, second = (asyncio.create_task(provided(downloads, version)) for _ in range(2))
    await until(lambda: not stand_in.flowing.is_set())
    first.cancel()
    await asyncio.wait([first])
    stand_in.flowing.set()
    assert (await second).code.weights
    assert stand_in.served[f"{REPO}/model.safetensors"] == SIZE

    downloads.shelf.cache.remove(REPO)
    stand_in.flowing.clear()
    last = asyncio.create_task(provided(downloads, version))
    await until(lambda: REPO in downloads.running() and downloads.running()[REPO].total)
    last.cancel()
    await asyncio.wait([last])
    assert not downloads.running()


async def test_connections_that_break_are_made_again(start, stand_in):
    _, version = version_of(Weights("", REPO))
    stand_in.stops_at = SIZE // 2
    waiting = asyncio.create_task(provided(start(), version))
    await until(lambda: not stand_in.flowing.is_set())
    stand_in.broken = True
    stand_in.flowing.set()
    asked = len(stand_in.requests)
    await until(lambda: len(stand_in.requests) > asked + 1)
    stand_in.broken = False
    await waiting
    assert stand_in.served[f"{REPO}/model.safetensors"] == SIZE


async def test_what_a_download_waits_for_is_told(start, stand_in):
    _, version = version_of(Weights("", REPO))
    stand_in.broken = True
    told = []
    waiting = asyncio.create_task(provided(start(pause=0.3), version, told.append))
    await until(lambda: any(each.note for each in told))
    stand_in.broken = False
    assert (await waiting).code.weights
    line = next(str(each) for each in told if each.note)
    assert re.search(
        r"of 4.0 MB · The Hub at http.* cannot be reached .*; trying again in 1 s", line
    )
    assert not told[-1].note


async def test_a_network_that_stays_away_is_a_sentence(start, stand_in):
    _, version = version_of(Weights("", REPO))
    stand_in.broken = True
    with pytest.raises(CannotDownload, match="cannot be reached .* what has been downloaded is"):
        await provided(start(), version)


async def test_damage_on_the_way_is_found_and_nothing_damaged_is_kept(
    start, stand_in, repository, tmp_path
):
    downloads = start()
    _, version = version_of(Weights("", REPO))
    stand_in.stops_at = SIZE // 2
    waiting = asyncio.create_task(provided(downloads, version))
    await until(lambda: not stand_in.flowing.is_set())
    await until(lambda: partial(tmp_path) >= SIZE // 4)
    broken = max((tmp_path / "data").rglob("*.atelier.incomplete"), key=lambda p: p.stat().st_size)
    with open(broken, "r+b") as file:
        file.write(b"damage")
    waiting.cancel()
    await asyncio.wait([waiting])
    stand_in.flowing.set()
    located = await provided(downloads, version)
    with open(f"{located.code.weights}/model.safetensors", "rb") as file:
        assert file.read() == (repository / "model.safetensors").read_bytes()


async def test_the_first_download_pins_and_a_newer_main_changes_nothing(
    start, stand_in, repository, tmp_path
):
    _, version = version_of(Weights("", REPO))
    first = await provided(start(), version)
    (repository / "config.json").write_text('{"newer": true}')
    assert await provided(start(), version) == first
    pins = json.loads((tmp_path / "data" / "pins.json").read_text())
    assert first.code.weights.endswith(pins[REPO])

    downloads = start()
    downloads.shelf.cache.remove(REPO)
    with pytest.raises(CannotDownload, match="has no revision .* pins.json"):
        await provided(downloads, version)


async def test_a_spec_that_names_a_revision_gets_that_one(start, stand_in):
    _, version = version_of(Weights("", REPO, "f" * 40))
    with pytest.raises(CannotDownload, match="no revision ffff"):
        await provided(start(), version)
    commit = stand_in.repositories[REPO].commit
    _, version = version_of(Weights("", REPO, commit))
    assert (await provided(start(), version)).code.weights.endswith(commit)


async def test_offline_what_is_missing_is_named_with_the_command_that_brings_it(start):
    model, version = version_of(Weights("", REPO))
    with pytest.raises(CannotDownload, match=f"{REPO} must .*app.py pull ada/thing.*HF_HOME"):
        start(offline=True).check(model, version)


async def test_offline_what_another_program_has_downloaded_is_used(start, repository, tmp_path):
    commit = "a" * 40
    folder = tmp_path / "hub" / "models--somebody--something"
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    downloads = start(offline=True, cache=tmp_path / "hub")
    model, version = version_of(Weights("", REPO))
    (snapshot / "model.safetensors").symlink_to("../../blobs/nothing")
    with pytest.raises(CannotDownload):
        downloads.check(model, version)
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").write_bytes(b"weights")
    downloads.check(model, version)
    assert downloads.located(version).code.weights == str(snapshot)


async def test_a_gated_repository_says_where_to_accept_its_terms(start, stand_in, repository):
    stand_in.repositories[REPO] = Repository(repository, token="hf_me")
    gated = Licence("Terms", gated=True)
    model, version = version_of(Weights("", REPO), licence=gated)
    downloads = start()
    downloads.consents.give(model)
    wanted = f"{REPO} is gated: accept its terms at http.*/{REPO} .*set HF_TOKEN"
    with pytest.raises(CannotDownload, match=wanted):
        start(endpoint=HubSettings.endpoint).check(model, version)
    downloads.check(model, version)  # a mirror may ask for nothing
    with pytest.raises(CannotDownload, match=wanted):
        await provided(downloads, version)
    with pytest.raises(CannotDownload, match="which the token of HF_TOKEN belongs to"):
        await provided(start(given_token="hf_stranger"), version)
    assert await provided(start(given_token="hf_me"), version)


async def test_a_repository_that_is_not_there_says_so(start):
    _, version = version_of(Weights("", "nobody/nothing"))
    with pytest.raises(CannotDownload, match="nobody/nothing does not exist .* private"):
        await provided(start(), version)


async def test_a_repository_without_weights_to_take_says_so(start, repository):
    (repository / "model.safetensors").unlink()
    (repository / "pytorch_model.bin").unlink()
    _, version = version_of(Weights("", REPO))
    with pytest.raises(CannotDownload, match="no weights in a format .* `files`"):
        await provided(start(), version)


async def test_a_file_that_is_named_and_not_there_is_said(start):
    _, version = version_of(Weights("", REPO, files=("config.json", "lora.safetensors", "*.txt")))
    with pytest.raises(CannotDownload, match=r"something has no lora.safetensors\. Name"):
        await provided(start(), version)


async def test_what_another_program_has_downloaded_needs_no_room(start, tmp_path):
    blobs = tmp_path / "hub" / "models--somebody--something" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "blob").write_bytes(bytes(SIZE))
    _, version = version_of(Weights("", REPO, size=SIZE))
    assert start(cache=tmp_path / "hub").extent(version) == Extent(SIZE, SIZE)


async def test_what_a_repository_has_twice_comes_and_counts_once(start, stand_in, repository):
    shutil.copy(repository / "model.safetensors", repository / "again.safetensors")
    _, version = version_of(Weights("", REPO))
    downloads, told = start(), []
    folder = (await provided(downloads, version, told.append)).code.weights
    assert os.path.getsize(f"{folder}/again.safetensors") == SIZE
    assert stand_in.served.total() == SIZE + 2
    assert (
        downloads.extent(version) == Extent(told[-1].total, SIZE + 2) == Extent(SIZE + 2, SIZE + 2)
    )


async def test_a_disk_too_small_says_what_is_needed_before_a_byte_is_loaded(start, stand_in):
    model, version = version_of(Weights("", REPO, size=SIZE))
    full = start(reserve=10**18)
    wanted = r"needs 4.0 MB more on the disk of .*, where [\d.]+ .B are left"
    full.check(model, version)  # what a spec says of sizes turns nobody away
    with pytest.raises(CannotDownload, match=wanted):
        await provided(full, version)
    with pytest.raises(CannotDownload, match=wanted):
        full.check(model, version)  # the Hub has said it by now
    assert not stand_in.served[f"{REPO}/model.safetensors"]


async def test_a_disk_that_fills_up_meanwhile_ends_the_download_before_it_is_full(
    tmp_path, stand_in, monkeypatch
):
    left = iter([10**9, 10**9, 10**6])
    monkeypatch.setattr(HubCache, "free", lambda cache: next(left, 10**6))
    settings = HubSettings(tmp_path / "hub", stand_in.address, reserve=10**8)
    said = []
    fetch_all = fetch.Fetch(Weights("", REPO), tmp_path, settings, said.append)
    stand_in.stops_at = SIZE // 2
    with fetch_all._hub:
        running = asyncio.create_task(asyncio.to_thread(fetch_all.run))
        await until(lambda: any("failed" in each for each in said))
        stand_in.flowing.set()
        await running
    (failed, *_) = (each["failed"] for each in said if "failed" in each)
    assert failed.startswith(f"Only 1.0 MB are left on the disk of {tmp_path}/hub. Remove models")


async def test_a_licence_with_conditions_is_accepted_once_and_anew_when_it_changes(start):
    licence = Licence("NC 1.0", "https://example.com/nc", non_commercial=True)
    model, version = version_of(Weights("", REPO), licence=licence)
    downloads = start()
    with pytest.raises(ConsentNeeded, match="NC 1.0, https.*non-commercial.*--accept-licence"):
        downloads.check(model, version)
    downloads.consents.give(model)
    start().check(model, version)
    stricter = replace(model, licence=replace(licence, territory="not in Atlantis"))
    with pytest.raises(ConsentNeeded, match="not in Atlantis"):
        start().check(stricter, version)


async def test_a_file_of_consents_or_pins_that_somebody_broke_is_named(start, tmp_path):
    licence = Licence("NC", non_commercial=True)
    model, version = version_of(Weights("", REPO), licence=licence)
    downloads = start()
    (tmp_path / "data").mkdir()
    for name in ("consents.json", "pins.json"):
        (tmp_path / "data" / name).write_text("{broken")
        with pytest.raises(AtelierError, match=rf"{name} is no JSON .* Mend or remove it"):
            downloads.check(model, version)
        (tmp_path / "data" / name).unlink()
        downloads.consents.give(model)


async def test_a_licence_without_conditions_and_weights_that_ship_ask_for_nothing(start):
    model, version = version_of(Weights("", REPO), licence=Licence("Apache-2.0"))
    start().check(model, version)
    model, version = version_of(licence=Licence("NC", non_commercial=True))
    start().check(model, version)
    assert with_folders(version, {}) is version


async def test_what_is_removed_is_gone_and_comes_again_at_the_same_commit(start, stand_in):
    downloads = start()
    _, version = version_of(Weights("", REPO))
    first = await provided(downloads, version)
    (held,) = downloads.shelf.cache.repositories()
    assert (held.repo, held.size) == (REPO, SIZE + 2 + 40)
    downloads.shelf.cache.remove(REPO)
    assert downloads.located(version) is None
    assert not downloads.shelf.cache.repositories()
    assert await provided(downloads, version) == first


def test_progress_reads_as_people_say_it():
    assert str(Progress(0, 0, 0.0)) == "asking the Hub"
    assert str(Progress(12 * 10**9, 33_700_000_000, 85e6)) == (
        "12.0 of 33.7 GB · 85 MB/s · 4 min left"
    )
    assert str(Progress(500_000, 3_400_000, 0.0)) == "0.5 of 3.4 MB"
