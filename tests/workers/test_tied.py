"""Commands that end with who started them."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from workers.tied import tied


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's end")
def test_a_command_ends_with_a_killed_parent(tmp_path):
    script = (
        "import subprocess, sys, time\nfrom workers.tied import tied\n"
        "print(subprocess.Popen(tied(['sleep', '1000'])).pid, flush=True)\ntime.sleep(1000)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        started = int(parent.stdout.readline())
        parent.kill()
    while True:
        try:
            os.kill(started, 0)
        except ProcessLookupError:
            break
        time.sleep(0.01)


def test_a_command_is_what_it_was_for_who_waits_for_it():
    done = subprocess.run(tied(["sh", "-c", "echo $0; exit 3", "said"]), capture_output=True)
    assert (done.returncode, done.stdout) == (3, b"said\n")
