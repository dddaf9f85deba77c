"""Asks a child process for a model's OpenAPI document, and remembers the answer by version.

What a model folder needs is installed with its first run. Until then its document is read from its
source; what cannot be loaded here at all may bring the document that Cog has written.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import re
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import msgspec

from errors import BrokenModel
from model_registry import ready_document
from model_registry.describer import ROOT, Describer, kill
from model_registry.half_written import put
from model_registry.spec import Code, Version

TIMEOUT = 60.0
"""Seconds for a model's imports."""

FAILED, LACKING = 1, 2
"""How `cog.describe` ends where it has no document to give."""

_HINT = ". Name the packages that it needs under build: python_packages in cog.yaml."
_UNREADABLE = (
    " Its form is drawn from its source until its packages are installed: write the signature so "
    "that it says its types, or let Cog write .cog/openapi_schema.json."
)
_TRIED_AGAIN = " It is tried again once one of its files has changed."
_FROM_SOURCE = " Until then its form is drawn from its source, and its first run waits for it."
_ASIS = (
    "Its form is drawn from the .cog/openapi_schema.json that Cog has written; a run will most "
    "likely fail."
)


PythonFor = Callable[[Sequence[str]], Path | None]
"""The interpreter of the environment with these packages, None while there is none."""


def nowhere(packages: Sequence[str]) -> Path | None:
    """Where no environments are."""
    return None


@dataclass(frozen=True)
class Described:
    """A model folder's document and when this version was first seen. It is `provisional` while the
    model's own environment is still to be built. `warning` says what a person should know of it.
    """

    document: Any
    created_at: float
    unfit: tuple[tuple[str, str], ...] = ()
    """Inputs whose own default does not fit, and why."""
    provisional: bool = False
    warning: str = ""


class NotLoadable(BrokenModel):
    """A model that lacks something outside of its folder."""


class Hangs(BrokenModel):
    """A model that is not imported in time."""


class NotDescribed(Exception):
    """A description would have to be made first."""


class Descriptions:
    """Documents in `folder`, one file a version, made anew when our code changes."""

    def __init__(
        self, folder: Path, python_for: PythonFor = nowhere, timeout: float = TIMEOUT
    ) -> None:
        self._folder = folder
        self._python_for = python_for
        self._timeout = timeout
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._running: set[int] = set()
        self.describer = Describer()
        """To be held by who has many described."""
        self._makes = True
        folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def known(self) -> Descriptions:
        """The same ones, of which none is made: it raises `NotDescribed` instead, at once."""
        known = copy.copy(self)
        known._locks = defaultdict(threading.Lock)
        known._makes = False
        return known

    def close(self) -> None:
        """Ends what is being described."""
        self._makes = False
        for process in list(self._running):
            kill(process)

    def of(self, version_id: str, code: Code, model: str, train: str | None) -> tuple[Any, float]:
        """The document, and when the version was first seen. Raises `BrokenModel`.

        Many models share a runner, and with it a description: the first to ask has it made.
        """
        with self._locks[version_id]:
            kept = self._of(version_id, code, model, train)
            return kept["document"], kept["created_at"]

    def of_folder(self, version_id: str, code: Code, model: str, train: str | None) -> Described:
        """What is known of a folder's model at present. Raises `BrokenModel`."""
        with self._locks[version_id]:
            try:
                return self._of_folder(version_id, code, model, train)
            except NotLoadable as error:
                ready = ready_document.read(Path(code.folder), model)
                if ready is None:
                    raise
                return Described(
                    *ready, warning=f"It cannot be loaded here: {error.reason} {_ASIS}"
                )

    def settled(self, version: Version) -> Described | None:
        """What is known of a provisional version now that its environment is there; None while it
        is not.
        """
        if self._python_for(version.code.packages) is None:
            return None
        return self.of_folder(version.id, version.code, version.model, version.code.train)

    def _of_folder(self, version_id: str, code: Code, model: str, train: str | None) -> Described:
        if not code.packages:
            try:
                return _described(self._of(version_id, code, model, train))
            except Hangs as error:
                # A slow disk or a busy machine looks the same: a run has far longer.
                with contextlib.suppress(BrokenModel):
                    read = self._of(version_id, code, model, train, from_source=True)
                    return replace(_described(read), warning=error.reason + _FROM_SOURCE)
                raise
        python = self._python_for(code.packages)
        warning = ""
        if python is not None:
            try:
                inside = replace(code, python=str(python))
                return _described(self._of(version_id, inside, model, train))
            except BrokenModel as error:
                warning = f"It cannot be loaded in its own environment: {error.reason}"
        try:
            read = self._of(version_id, code, model, train, from_source=True)
        except BrokenModel as error:
            raise NotLoadable(model, error.reason + _UNREADABLE) from None
        return replace(_described(read), provisional=python is None, warning=warning)

    def _of(
        self,
        version_id: str,
        code: Code,
        model: str,
        train: str | None,
        from_source: bool = False,
    ) -> dict[str, Any]:
        places = [self._folder / f"{version_id}{kind}.json" for kind in ("", ".source")]
        path = places[from_source]
        described_by = f"{_own_code()} {code.python or ''}".strip()
        kept = _kept(path)
        if kept.get("described_by") != described_by:
            if not self._makes:
                raise NotDescribed
            # Not above: it brings jsonschema along, which a start with nothing new does without.
            from model_registry import inputs

            first_seen = [each["created_at"] for each in map(_kept, places) if "created_at" in each]
            kept = {
                "described_by": described_by,
                "created_at": min(first_seen, default=time.time()),
            }
            try:
                document = describe(
                    code, model, train, self._timeout, from_source, self._running, self.describer
                )
                unfit = [(each.field, each.message) for each in inputs.unfit_defaults(document)]
                kept |= {"document": document, "unfit": unfit}
            except Hangs as error:
                # Once is enough: no later start or push waits for it.
                kept["hangs"] = error.reason + _TRIED_AGAIN
            with contextlib.suppress(OSError):  # a full disk: it is asked for again, then
                put(path, json.dumps(kept))
        if "hangs" in kept:
            raise Hangs(model, kept["hangs"])
        return kept


def _where(said: bytes, folder: str) -> str:
    """The innermost line of the model's own at which its process was, "" if it does not say."""
    own = re.escape(f"{folder}{os.sep}")
    found = re.search(rf'File "{own}([^"]+)", line (\d+) in', said.decode(errors="replace"))
    return f"{found[1]}, line {found[2]}" if found else ""


def _kept(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        return dict(msgspec.json.decode(path.read_bytes()))
    return {}


def _described(kept: Mapping[str, Any]) -> Described:
    unfit = tuple((field, message) for field, message in kept.get("unfit", ()))
    return Described(kept["document"], kept["created_at"], unfit)


def describe(
    code: Code,
    model: str,
    train: str | None = None,
    timeout: float = TIMEOUT,
    from_source: bool = False,
    running: set[int] | None = None,
    describer: Describer | None = None,
) -> Any:
    """The OpenAPI document of a model, from a process of its own, which is among the `running` as
    long as it takes. The `describer` is asked for it where nothing has to be set before the
    imports. Raises `BrokenModel`, and `Hangs` after the `timeout`.
    """
    arguments = [code.folder, code.target]
    if train:
        arguments += ["--train", train]
    if code.concurrency:
        arguments += ["--concurrency", str(code.concurrency)]
    if from_source:
        arguments += ["--from", "source"]
    if describer is None or code.python or code.environment:
        describer = Describer(code.python or sys.executable, code.environment)
    with describer:
        answer = describer.ask(arguments, timeout, set() if running is None else running)
    if answer.exit_code is None:
        place = _where(answer.said, code.folder) or code.target
        raise Hangs(model, f"{place}: it was not imported within {timeout:g} s.")
    last = answer.said.decode(errors="replace").strip().splitlines()[-1:]
    if answer.exit_code == LACKING and last:
        hint = "" if code.packages or "ModuleNotFoundError" not in last[0] else _HINT
        raise NotLoadable(model, last[0] + hint)
    if answer.exit_code == FAILED and last:
        raise BrokenModel(model, last[0])
    with contextlib.suppress(ValueError):
        if answer.exit_code == 0:
            document = json.loads(answer.printed)
            if reason := _unsendable(document):
                raise BrokenModel(model, f"{code.target}: {reason}")
            return document
    reason = f"{code.target} ended its process (exit code {answer.exit_code}) when imported."
    raise BrokenModel(model, reason)


def _unsendable(document: Any) -> str:
    """Why a document, which Python could read, can be shown to nobody; empty if it can."""
    try:
        msgspec.msgpack.encode(document)
    except UnicodeEncodeError:
        return "its inputs have half a character (a lone surrogate) in a default or description."
    except OverflowError:
        return "its inputs have a whole number past 64 bits for a default or bound."
    return ""


@cache
def _own_code() -> str:
    digest = hashlib.sha256()
    for path in sorted((ROOT / "cog").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
