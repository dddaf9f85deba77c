"""A version's identity: what changes it, and what does not."""

from __future__ import annotations

import os
import re

import pytest

from model_registry import fingerprint
from model_registry.fingerprint import Fingerprints, code_state, files_below


@pytest.fixture
def folder(write):
    return write(**{"weights.bin": "weights", "README.md": "# One"})


def test_an_identity_is_64_hex_digits_and_stays(folder, prints):
    first = prints.of_folder(folder, "local/one")
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert prints.of_folder(folder, "local/one") == first


def test_models_with_the_same_content_have_identities_of_their_own(folder, prints):
    assert prints.of_folder(folder, "local/one") != prints.of_folder(folder, "local/two")


@pytest.mark.parametrize("file", ["predict.py", "cog.yaml", "weights.bin", "README.md"])
def test_each_file_that_was_there_belongs_to_the_identity(folder, prints, file):
    first = prints.of_folder(folder, "local/one")
    (folder / file).write_text("# other")
    assert prints.of_folder(folder, "local/one") != first


def test_a_new_code_file_changes_the_identity(folder, prints):
    first = prints.of_folder(folder, "local/one")
    (folder / "more.py").write_text("x = 1")
    assert prints.of_folder(folder, "local/one") != first


def test_moving_a_folder_keeps_its_identity(folder, prints):
    first = prints.of_folder(folder, "local/one")
    assert prints.of_folder(folder.rename(folder.parent / "moved"), "local/one") == first


@pytest.mark.parametrize(
    "file", ["out.png", "log.txt", "notes.md", "__pycache__/predict.pyc", ".git/HEAD", "cache.pyc"]
)
def test_what_a_run_leaves_behind_does_not_change_the_identity(folder, prints, file):
    first = prints.of_folder(folder, "local/one")
    written = folder / file
    written.parent.mkdir(exist_ok=True)
    written.write_text("written by a run")
    assert prints.of_folder(folder, "local/one") == first


def test_what_belongs_is_remembered_over_restarts(folder, prints, data):
    first = prints.of_folder(folder, "local/one")
    prints.save()
    (folder / "out.png").write_text("written by a run")
    later = Fingerprints(data / "fingerprints.json")
    assert later.of_folder(folder, "local/one") == first


def test_a_damaged_memory_is_begun_anew(folder, prints, data):
    (data / "fingerprints.json").write_text("{not json")
    assert Fingerprints(data / "fingerprints.json").of_folder(folder, "local/one")


def test_a_large_file_is_hashed_once(folder, prints, monkeypatch):
    monkeypatch.setattr(fingerprint, "_LARGE", 3)
    first = prints.of_folder(folder, "local/one")
    states = {path: path.stat() for path in files_below(folder)}
    for path, state in states.items():
        path.write_bytes(b"?" * state.st_size)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert prints.of_folder(folder, "local/one") == first


def test_what_can_be_no_content_is_passed_over(folder):
    os.mkfifo(folder / "pipe")
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "linked").symlink_to(folder / "weights.bin")
    names = [path.name for path in files_below(folder)]
    assert names == ["README.md", "cog.yaml", "linked", "predict.py", "weights.bin"]


def test_an_identity_covers_several_roots_and_texts(folder, prints):
    both = prints.of([folder, folder / "predict.py"], "Class")
    assert both != prints.of([folder], "Class")
    assert both != prints.of([folder, folder / "predict.py"], "Other")


@pytest.mark.parametrize(
    ("file", "matters"),
    [
        ("predict.py", True),
        ("deep/er.py", True),
        ("cog.yaml", True),
        ("requirements.txt", True),
        ("out.txt", False),
        ("out.png", False),
    ],
)
def test_the_state_of_the_code_tells_edits_from_what_runs_write(folder, file, matters):
    before = code_state(folder)
    written = folder / file
    written.parent.mkdir(exist_ok=True)
    written.write_text("x = 12345")
    assert (code_state(folder) != before) is matters
