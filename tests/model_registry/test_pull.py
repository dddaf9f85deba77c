"""`app.py pull`: what it downloads, tells and refuses."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

import app
from model_registry.catalog import Catalog
from model_registry.downloads import ROOT, Downloads, Progress
from model_registry.pull import _Teller, pull
from model_registry.spec import Code, Licence, Model, Version, Weights
from settings import HubSettings, parse_pull
from tests.hub_stand_in import LARGE, hub

REPO = "somebody/something"
SCHEMA = {"components": {"schemas": {"Input": {}, "Output": {}}}}


@pytest.fixture
def stand_in(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(3 * LARGE))
    with hub({REPO: folder, "openai-community/gpt2": folder}) as served:
        yield served


@pytest.fixture
def asked(tmp_path, stand_in):
    """Pulls from a catalog of ada/free, ada/conditional and ada/here."""

    def model(name, *weights, licence):
        version = Version(
            name.ljust(64, "0"), f"ada/{name}", 0.0, SCHEMA, Code("", ""), weights=weights
        )
        return Model("ada", name, (version,), licence=licence)

    weights = Weights("", REPO)
    catalog = Catalog(
        [
            model("free", weights, licence=Licence("Apache-2.0")),
            model("conditional", weights, licence=Licence("NC", non_commercial=True)),
            model("here", licence=None),
        ]
    )
    settings = HubSettings(endpoint=stand_in.address, pause=0.01, reserve=0)

    async def asked(*names, accept=False, offline=False):
        downloads = Downloads(settings, tmp_path / "data", offline)
        return await pull(catalog, downloads, names, accept)

    return asked


async def test_pulled_weights_are_there_and_how_far_it_was_is_told(asked, capsys, tmp_path):
    assert await asked("ada/free", "ada/here") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("ada/free: ") and " of 300 kB" in said[0]
    assert said[-2].startswith("ada/free: 300 kB on disk, in ")
    assert said[-1] == "ada/here: nothing to download, its weights are here."
    assert list((tmp_path / "data").rglob("snapshots/*/model.safetensors"))


def test_what_holds_it_up_is_told_once_where_no_line_is_overwritten(capsys):
    telling = _Teller("ada/free", overwrites=False)
    for progress in (
        Progress(0, 0, 0.0),
        Progress(0, 0, 0.0, "trying again in 2 s"),
        Progress(0, 0, 0.0, "trying again in 2 s"),
        Progress(0, 0, 0.0, "trying again in 4 s"),
        Progress(5_000_000, 10_000_000, 0.0),
    ):
        telling.tell(progress)
    assert capsys.readouterr().out.splitlines() == [
        "ada/free: asking the Hub · trying again in 2 s",
        "ada/free: asking the Hub · trying again in 4 s",
        "ada/free: 5.0 of 10 MB",
    ]


async def test_a_licence_with_conditions_is_accepted_on_the_command_line(asked, capsys):
    assert await asked("ada/conditional") == 1
    assert "--accept-licence" in capsys.readouterr().err
    assert await asked("ada/conditional", accept=True) == 0
    assert "licence accepted. NC. For non-commercial use only." in capsys.readouterr().out
    assert await asked("ada/conditional") == 0


async def test_what_cannot_be_had_keeps_nothing_else_from_coming(asked, capsys):
    assert await asked("ada/nobody", "ada/free") == 1
    said = capsys.readouterr()
    assert "'ada/nobody' does not exist" in said.err and "300 kB on disk" in said.out
    assert await asked("ada/free", offline=True) == 0


async def test_a_name_without_its_owner_is_told_with_whose_it_is(asked, capsys):
    assert await asked("free") == 1
    assert "Did you mean 'ada/free'?" in capsys.readouterr().err


def test_the_command_line_says_what_where_and_whether_the_licence_is_accepted(tmp_path):
    asked = parse_pull(["ada/free", "ada/here", "--data", str(tmp_path)], {"HF_TOKEN": "hf_me"})
    assert asked.names == ("ada/free", "ada/here") and not asked.accept_licence
    assert asked.settings.data == tmp_path
    assert asked.settings.hub.cache == tmp_path / "huggingface" / "hub"
    assert asked.settings.hub.token() == "hf_me" and "hf_me" not in repr(asked)
    assert parse_pull(["ada/free", "--accept-licence"], {"HF_HOME": "/h"}).accept_licence
    assert parse_pull(["ada/free"], {"HF_HUB_OFFLINE": "1"}).settings.offline
    assert str(parse_pull(["x/y"], {"HF_HOME": "/h"}).settings.hub.cache) == "/h/hub"


def test_a_data_folder_that_cannot_be_written_is_said(capsys):
    for command in (["pull", "ada/free"], ["add", "hf:somebody/something"]):
        assert app.main([*command, "--data", "/dev/null/data"]) == 1
        assert "the data folder /dev/null/data cannot be written" in capsys.readouterr().err


async def test_a_failure_is_said_on_a_line_of_its_own(asked, capsys, monkeypatch, stand_in):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    stand_in.seconds_per_chunk = 0.05
    asking = asyncio.create_task(asked("ada/free"))
    said = ""
    while "ada/free: " not in said:
        await asyncio.sleep(0.01)
        said += capsys.readouterr().out
    stand_in.broken = True
    assert await asking == 1
    assert (said + capsys.readouterr().out).endswith("\n")


@pytest.mark.slow
def test_an_interrupted_pull_is_no_success(tmp_path, stand_in):
    stand_in.flowing.clear()
    name = "qwen/qwen3-coder-30b-a3b-instruct"
    stand_in.repositories["Qwen/Qwen3-Coder-30B-A3B-Instruct"] = stand_in.repositories[REPO]
    with subprocess.Popen(
        [sys.executable, "app.py", "pull", name, "--data", tmp_path / "data"],
        cwd=ROOT, env={**os.environ, **stand_in.environment()}, stdout=subprocess.PIPE, text=True,
    ) as pulling:  # fmt: skip
        begun = pulling.stdout.readline()
        pulling.send_signal(signal.SIGINT)
        assert pulling.wait(60) == 130
    assert begun.startswith(f"{name}: 0.0 of 300 kB")


@pytest.mark.slow
def test_pull_is_a_command_of_the_app(tmp_path):
    done = subprocess.run(
        [sys.executable, "app.py", "pull", "starter/shapes", "nobody/nothing", "--data", tmp_path],
        cwd=ROOT,
        env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout == "starter/shapes: nothing to download, its weights are here.\n"
    assert "'nobody/nothing' does not exist" in done.stderr
