"""What is said of an error of a model's code."""

from __future__ import annotations

import pytest

from workers.failures import of_run, of_setup


def test_a_full_disk_is_told_with_what_to_do():
    with pytest.raises(OSError) as caught, open("/dev/full", "w") as full:
        full.write("content")
        full.flush()
    for failed in of_run("prediction", caught.value, 0.0), of_setup(caught.value):
        assert failed.reason.startswith("The disk is full: ") and "Make room" in failed.reason
