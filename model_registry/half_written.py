"""Files that are written beside their place and then put there, so that they are whole or not
there; and the end of those that a kill has kept on their way.

    listing.json.1234    on its way to listing.json, by the process 1234
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

_ON_THE_WAY = re.compile(r".*\.(\d+)(\.inner)?")


def beside(path: Path) -> Path:
    """Where this process writes what is to be at `path`."""
    return path.with_name(f"{path.name}.{os.getpid()}")


def put(path: Path, content: str) -> None:
    """Writes a file; others see the one that was there, or all of this."""
    fresh = beside(path)
    try:
        fresh.write_text(content)
        os.replace(fresh, path)
    except OSError:
        fresh.unlink(missing_ok=True)  # what a full disk has taken of it only takes room
        raise


def places(data: Path, home: Path) -> list[Path]:
    """The folders in which files are on their way: of the data folder, and of HF_HOME. What has a
    sweep of its own is not among them: uploads, outputs, trainings, pushes, environments.
    """
    added = (data / "hub_models").glob("*")
    return [data, data / "hub", data / "described", *added, home / "lora"]


def sweep(folders: Iterable[Path]) -> None:
    """Removes what processes that are gone have left on its way in these folders."""
    for folder in folders:
        for path in folder.glob("*"):
            named = _ON_THE_WAY.fullmatch(path.name)
            if named and not _is_alive(int(named[1])):
                _remove(path)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another person's
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
