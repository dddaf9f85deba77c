"""An app of its own for a file of the page's tests."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def served(folder, *options, environment, program=("app.py",)):
    """Gives the address at which `program` answers, whose data lie below `folder`."""
    command = [sys.executable, *program, "--port", "0", "--data", str(folder / "data"), *options]
    environment = {**environment, "GRADIO_TEMP_DIR": str(folder / "gradio")}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as app:
        try:
            yield re.search(r"http://\S+", app.stdout.readline()).group()
        finally:
            app.terminate()
            app.wait(20)
