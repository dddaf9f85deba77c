"""What a model may say while it runs: metrics, progress, previews. Outside a run all of it is
silent.
"""

from __future__ import annotations

import contextlib
import contextvars
import io
import math
import re
import time
from collections.abc import Iterator
from typing import Any, Protocol

_SEGMENT = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*")
_PREVIEW_EVERY = 0.2
_PREVIEW_SIZE = 512


class Sink(Protocol):
    """Where a scope's reports go."""

    def metric(self, name: str, value: Any, mode: str) -> None: ...

    def progress(self, done: float, total: float | None, unit: str) -> None: ...

    def preview(self, image: bytes) -> None: ...


class Metrics:
    """The metrics of a run, written like a dictionary: `scope.metrics["tokens.output"] = 3`."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def record(self, key: str, value: Any, mode: str = "replace") -> None:
        self._scope.record_metric(key, value, mode)

    def __setitem__(self, key: str, value: Any) -> None:
        self._scope.record_metric(key, value)

    def __delitem__(self, key: str) -> None:
        self._scope.record_metric(key, None)


class Scope:
    """One running prediction, as the model's code sees it. `context` is what the request said of
    itself.
    """

    def __init__(
        self,
        prediction_id: str = "",
        sink: Sink | None = None,
        context: dict[str, str] | None = None,
    ) -> None:
        self.prediction_id = prediction_id
        self.context = dict(context or {})
        self.metrics = Metrics(self)
        self._sink = sink
        self._kinds: dict[str, type] = {}
        self._previewed = 0.0

    def record_metric(self, key: str, value: Any, mode: str = "replace") -> None:
        """Records one figure; a dotted key nests, None deletes.

        `mode` is `replace`, `incr` or `append`. Raises `ValueError` on a key that is not allowed
        and `TypeError` on a value that is no JSON or changes the key's type.
        """
        if self._sink is None:
            return
        _check_key(key)
        if mode not in ("replace", "incr", "append"):
            raise ValueError(f"mode is {mode!r}; it must be 'replace', 'incr' or 'append'.")
        self._check_kind(key, value, mode)
        self._sink.metric(key, value, mode)

    def progress(self, done: float, total: float | None = None, unit: str = "step") -> None:
        """Says how far the run is. Atelier's own: ask with `getattr` in a model that must run
        elsewhere.
        """
        if self._sink is not None:
            self._sink.progress(done, total, unit)

    def wants_preview(self) -> bool:
        """Whether a preview given now would be shown: at most one per 200 ms is, so ask before
        making one.
        """
        return self._sink is not None and time.monotonic() - self._previewed >= _PREVIEW_EVERY

    def preview(self, image: Any) -> None:
        """Shows the output as it forms: JPEG bytes or a PIL image. Dropped if the last one is too
        recent.
        """
        if not self.wants_preview() or self._sink is None:
            return
        self._previewed = time.monotonic()
        self._sink.preview(image if isinstance(image, bytes) else _jpeg(image))

    def _check_kind(self, key: str, value: Any, mode: str) -> None:
        if value is None:
            self._kinds = {
                name: kind
                for name, kind in self._kinds.items()
                if not f"{name}.".startswith(f"{key}.")
            }
            return
        if type(value) not in (bool, int, float, str, list, dict):
            raise TypeError(f"The metric {key!r} is a {type(value).__name__}; it must be JSON.")
        if mode == "incr" and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise TypeError(f"The metric {key!r} grows by {value!r}; it must be a number.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"The metric {key!r} is {value}; JSON has no such number.")
        kind = list if mode == "append" else type(value)
        for name, other in self._kinds.items():
            nested = name.startswith(f"{key}.") or key.startswith(f"{name}.")
            if nested and dict not in (kind, other):
                raise TypeError(f"The metrics {name!r} and {key!r} cannot be in one place.")
        if kind in (int, float) and self._kinds.get(key) in (int, float):
            return
        if self._kinds.setdefault(key, kind) is not kind:
            was = self._kinds[key].__name__
            raise TypeError(f"The metric {key!r} is a {was} and cannot become a {kind.__name__}.")


_current: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("scope", default=None)
_NOWHERE = Scope()


def current_scope() -> Scope:
    """The scope of the prediction that runs here; outside of one, a scope that ignores all."""
    return _current.get() or _NOWHERE


def emit_metric(name: str, value: Any) -> None:
    """The old name of `current_scope().record_metric`."""
    current_scope().record_metric(name, value)


@contextlib.contextmanager
def entered(scope: Scope) -> Iterator[None]:
    """Makes `scope` the current one."""
    token = _current.set(scope)
    try:
        yield
    finally:
        _current.reset(token)


def _check_key(key: str) -> None:
    segments = key.split(".")
    if key == "predict_time" or segments[0] == "cog":
        raise ValueError(f"The metric name {key!r} is reserved.")
    if len(segments) > 4 or len(key) > 128 or not all(map(_SEGMENT.fullmatch, segments)):
        raise ValueError(
            f"The metric name {key!r} is not allowed: up to 4 segments with dots between them, 128 "
            "characters in all, each a letter and then letters, digits and single underscores."
        )


def _jpeg(image: Any) -> bytes:
    small = image.convert("RGB")
    small.thumbnail((_PREVIEW_SIZE, _PREVIEW_SIZE))
    written = io.BytesIO()
    small.save(written, "JPEG", quality=80)
    return written.getvalue()
