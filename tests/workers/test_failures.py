"""What is said of an error of a model's code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from workers.failures import of_run, of_setup


def test_a_full_disk_is_told_with_what_to_do():
    with pytest.raises(OSError) as caught, open("/dev/full", "w") as full:
        full.write("content")
        full.flush()
    for failed in of_run("prediction", caught.value, 0.0), of_setup(caught.value):
        assert failed.reason.startswith("The disk is full: ") and "Make room" in failed.reason


def test_a_program_that_is_not_installed_is_named():
    with pytest.raises(FileNotFoundError) as caught:
        subprocess.run(["no-such-program", "-x"])
    for failed in of_run("prediction", caught.value, 0.0), of_setup(caught.value):
        assert failed.reason.endswith("does not have: install no-such-program.")


def test_a_path_of_cogs_images_is_told_from_any_other():
    with pytest.raises(FileNotFoundError) as caught:
        Path("/src/no-such-folder/weights.pt").read_bytes()
    assert "write the path without it" in of_setup(caught.value).reason
    with pytest.raises(FileNotFoundError) as caught:
        Path("no-such-file").read_bytes()
    reason = of_setup(caught.value).reason
    assert reason == "FileNotFoundError: [Errno 2] No such file or directory: 'no-such-file'"
