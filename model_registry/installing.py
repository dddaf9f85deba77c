"""Where pip goes when a model calls it itself, as some do while they are imported: into the model's
own environment, never into the app's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

NOWHERE = {"PIP_DRY_RUN": "1", "PIP_NO_INDEX": "1"}
"""Nothing is installed. The import that then fails says what cog.yaml has to name."""


def variables(python: str | None) -> Mapping[str, str]:
    """Those of a process in the interpreter `python`; None is the app's."""
    if python is None or python == sys.executable:
        return NOWHERE
    programs = Path(python).parent
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PIP_PYTHON": python,  # pip itself is the app's
        "VIRTUAL_ENV": str(programs.parent),
    }
