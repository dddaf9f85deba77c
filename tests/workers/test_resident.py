"""What instances hold of the machine's memory, and what it takes to ask."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LOOKS = """
import json, subprocess, sys
from workers.memory import resident

sleeps = [sys.executable, "-c", "print(flush=True); input()"]
starts = [sys.executable, "-c", f"import subprocess; subprocess.run({sleeps!r})"]
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
children = [subprocess.Popen(each, **pipes) for each in (sleeps, starts, sleeps)]
for each in children:
    each.stdout.readline()
looks = []
sys.addaudithook(lambda event, given: event == "os.listdir" and looks.append(given[0]))
held = resident(each.pid for each in children[:2])
asked = looks.copy()
for each in children:
    each.communicate(b"\\n")
print(json.dumps([[held.get(each.pid) for each in children], [str(each) for each in asked]]))
"""


def test_one_look_at_all_processes_tells_what_each_instance_and_its_own_children_hold():
    done = subprocess.run([sys.executable, "-c", LOOKS], cwd=ROOT, capture_output=True, check=True)
    (alone, with_a_child, not_asked), looks = json.loads(done.stdout)
    assert with_a_child > 1.5 * alone > 3e6 and not_asked is None
    assert len(looks) == 1, looks
