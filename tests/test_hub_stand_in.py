"""The stand-in for the Hub, asked by the Hub's own library."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.hub_stand_in import LARGE, Repository, hub

PROGRAM = """
import sys
from huggingface_hub import HfApi, snapshot_download
info = HfApi().model_info(sys.argv[1], files_metadata=True)
print(info.sha, sum(each.size for each in info.siblings), info.gated)
tree = list(HfApi().list_repo_tree(sys.argv[1], recursive=True))
print(sum(each.size for each in tree))
print(snapshot_download(sys.argv[1], revision=info.sha))
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "repo"
    (folder / "unet").mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "none"}')
    (folder / "unet" / "weights.safetensors").write_bytes(bytes(LARGE + 7))
    return folder


def ask(stand_in, tmp_path, repo="somebody/something", **environment):
    home = {"HF_HOME": str(tmp_path / "home"), **stand_in.environment(), **environment}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, repo],
        env={**os.environ, **home},
        capture_output=True,
        text=True,
    )


def test_the_hubs_library_lists_and_downloads_a_repository(folder, tmp_path):
    with hub({"somebody/something": folder}) as stand_in:
        done = ask(stand_in, tmp_path)
        commit = stand_in.repositories["somebody/something"].commit
    first, size, snapshot = done.stdout.splitlines()
    assert first.split() == [commit, str(LARGE + 7 + 22), "False"]
    assert int(size) == LARGE + 7 + 22
    assert snapshot.endswith(f"/snapshots/{commit}")
    with open(f"{snapshot}/unet/weights.safetensors", "rb") as file:
        assert file.read() == bytes(LARGE + 7)


def test_a_gated_repository_is_for_those_with_its_token(folder, tmp_path):
    with hub({"somebody/something": Repository(folder, token="hf_me")}) as stand_in:
        assert "GatedRepoError" in ask(stand_in, tmp_path).stderr
        assert ask(stand_in, tmp_path, HF_TOKEN="hf_me").returncode == 0


def test_a_repository_that_is_not_there_is_not_found(folder, tmp_path):
    with hub({}) as stand_in:
        assert "RepositoryNotFoundError" in ask(stand_in, tmp_path).stderr
