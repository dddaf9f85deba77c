"""What was settled once on this machine and holds until a person changes it: pinned revisions,
accepted licences.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from errors import AtelierError
from model_registry.half_written import put


class Ledger:
    """A JSON file of names and what was settled about them. Several processes may hold the same
    file: each reads what is there now, and writes one after the other, whole or not at all.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str) -> Any:
        return self.all().get(name)

    def all(self) -> dict[str, Any]:
        """Everything. A file that a person has broken is an error, and not an empty one: what it
        held would be settled anew. Raises `AtelierError` naming it.
        """
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return {}
        try:
            held = json.loads(text)
        except ValueError as error:
            raise AtelierError(f"{self._path} is no JSON ({error}). Mend or remove it.") from None
        return held if isinstance(held, dict) else {}

    def settle(self, name: str, value: Any) -> Any:
        """Writes `value` unless something is settled already; what is settled now."""
        with self._locked():
            held = self.all()
            if name not in held:
                self._write({**held, name: value})
                return value
            return held[name]

    def forget(self, name: str) -> None:
        with self._locked():
            held = self.all()
            if held.pop(name, None) is not None:
                self._write(held)

    def _write(self, held: dict[str, Any]) -> None:
        put(self._path, json.dumps(held, indent=1, sort_keys=True) + "\n")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path.with_name(f"{self._path.name}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
