"""Asks a child process for a model's OpenAPI document, and remembers the answer by version."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

from errors import BrokenModel
from model_registry.spec import Code

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 60.0
"""Seconds for a model's imports."""


class Descriptions:
    """Documents in `folder`, one file a version, made anew when our code changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        folder.mkdir(parents=True, exist_ok=True)

    def of(self, version_id: str, code: Code, model: str, train: str | None) -> tuple[Any, float]:
        """The document, and when the version was first seen. Raises `BrokenModel`.

        Many models share a runner, and with it a description: the first to ask has it made.
        """
        with self._locks[version_id]:
            return self._of(version_id, code, model, train)

    def _of(self, version_id: str, code: Code, model: str, train: str | None) -> tuple[Any, float]:
        path = self._folder / f"{version_id}.json"
        kept: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            kept = json.loads(path.read_text())
        if kept.get("described_by") != _own_code():
            kept = {
                "described_by": _own_code(),
                "created_at": kept.get("created_at", time.time()),
                "document": describe(code, model, train),
            }
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(kept))
            temporary.replace(path)
        return kept["document"], kept["created_at"]


def describe(code: Code, model: str, train: str | None = None, timeout: float = TIMEOUT) -> Any:
    """The OpenAPI document of a model, from a process of its own. Raises `BrokenModel`."""
    command = [code.python or sys.executable, "-m", "cog.describe", code.folder, code.target]
    if train:
        command += ["--train", train]
    if code.concurrency:
        command += ["--concurrency", str(code.concurrency)]
    environment = {**os.environ, **code.environment, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        env=environment,
        cwd=ROOT,  # `-m` makes the working directory importable, and anything may lie in ours
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            printed, said = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise BrokenModel(
                model, f"{code.target} was not imported within {timeout:g} s."
            ) from None
        finally:
            # Also what the import may have started, and what hangs.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode == 1 and said.strip():
        raise BrokenModel(model, said.decode(errors="replace").strip().splitlines()[-1])
    try:
        return json.loads(printed)
    except ValueError:
        reason = f"{code.target} ended its process (exit code {process.returncode}) when imported."
        raise BrokenModel(model, reason) from None


@cache
def _own_code() -> str:
    digest = hashlib.sha256()
    for path in sorted((ROOT / "cog").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
