"""What a model folder asks for and does not get here: shown on the model's page, never executed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from model_registry.description import Described
from model_registry.spec import Version

_CONTAINER_ROOT = PurePosixPath("/src")
"""Where a model's folder lies in an image."""

FORMER_BUILD_KEYS = {"fast", "cog_runtime", "python_overrides"}
"""What Cog took once, and old folders still say."""

_PACKAGES = "Its packages are installed with its first run, into an environment of its own:"


def of(
    folder: Path, config: Mapping[str, Any], version: Version, described: Described
) -> list[str]:
    """One sentence each. `config` is a checked cog.yaml."""
    return [
        *filter(None, [described.warning]),
        *_of_build(config["build"]),
        *_of_weights(folder, config.get("weights")),
        *_of_packages(version),
        *(
            f"The default of its input {field!r} does not fit: {why}"
            for field, why in described.unfit
        ),
    ]


def _of_build(build: Mapping[str, Any]) -> Iterator[str]:
    wanted = build.get("python_version") or ""
    wanted = "3.10" if wanted == 3.1 else str(wanted)  # without quotes, 3.10 is a number
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if wanted and not f"{wanted}.".startswith(f"{here}."):
        yield f"It asks for Python {wanted}; it runs on {here}."
    if packages := build.get("system_packages"):
        names = ", ".join(map(str, packages)) if isinstance(packages, list) else packages
        yield f"It asks for system packages, which nobody installs here: {names}."
    for key in ("run", "pre_install"):
        if steps := build.get(key):
            shown = "; ".join(map(_command, steps if isinstance(steps, list) else [steps]))
            yield f"It has build steps (build.{key}), which are never executed here: {shown}."
    for key in sorted(FORMER_BUILD_KEYS & build.keys()):
        yield f"It says build.{key}, which Cog has given up and nobody heeds here."


def _command(step: Any) -> str:
    text = str(step.get("command", step) if isinstance(step, dict) else step)
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:79] + "…"


def _of_packages(version: Version) -> Iterator[str]:
    if version.provisional:
        named = ", ".join(_short(line) for line in version.code.packages if line[0] != "-")
        yield f"{_PACKAGES} {named}. Until then its form is drawn from its source."


def settled(warnings: Sequence[str]) -> tuple[str, ...]:
    """Those that still hold once the packages are installed."""
    return tuple(each for each in warnings if not each.startswith(_PACKAGES))


def _short(requirement: str) -> str:
    return re.sub(r"^file://.*/| # .*$", "", requirement)


def _of_weights(folder: Path, weights: Any) -> Iterator[str]:
    """Managed weights are not fetched: what is not in the folder yet has to be put there."""
    for entry in weights if isinstance(weights, list) else []:
        if not isinstance(entry, dict):
            continue
        target = PurePosixPath(str(entry.get("target", "")))
        if target.is_relative_to(_CONTAINER_ROOT):
            target = target.relative_to(_CONTAINER_ROOT)
            if (folder / target).exists():
                continue
        sources = entry.get("source")
        sources = sources if isinstance(sources, list) else [sources]
        names = [str(each.get("uri")) for each in sources if isinstance(each, dict)]
        what = f"{entry.get('name', 'its weights')} ({', '.join(names) or 'no source'})"
        if target.is_absolute():
            yield f"It expects weights at {target}, outside of its folder: {what}."
        else:
            yield f"It expects weights that are not fetched here: put {what} into {target}."
