"""The Python API that model code imports: Cog's, both generations of names. Standard library only.

Shadows the package of the same name on purpose, so that a model written for Cog runs here
unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from cog.input import input as input
from cog.scope import Scope, current_scope, emit_metric
from cog.types import (
    AsyncConcatenateIterator,
    BaseModel,
    CancelationException,
    ConcatenateIterator,
    ExperimentalFeatureWarning,
    FieldInfo,
    File,
    Input,
    InvalidInput,
    Opaque,
    Path,
    Secret,
    URLFile,
    URLPath,
)

__version__ = "0.23.1"
"""The release of Cog whose behaviour this follows."""

__all__ = [
    "AsyncConcatenateIterator",
    "BaseModel",
    "BasePredictor",
    "BaseRunner",
    "CancelationException",
    "ConcatenateIterator",
    "ExperimentalFeatureWarning",
    "FieldInfo",
    "File",
    "Input",
    "InvalidInput",
    "Opaque",
    "Path",
    "Scope",
    "Secret",
    "URLFile",
    "URLPath",
    "concurrent",
    "current_scope",
    "emit_metric",
    "streaming",
]

F = TypeVar("F", bound=Callable[..., Any])


class BaseRunner:
    """A model: `setup` once, then `run` for each prediction."""

    def setup(self, *arguments: Any, **options: Any) -> Any:
        """Loads what the runs need. May take `weights`, may be `async`."""

    def record_metric(self, key: str, value: Any, mode: str = "replace") -> None:
        """As `current_scope().record_metric`."""
        current_scope().record_metric(key, value, mode)

    @property
    def scope(self) -> Scope:
        return current_scope()


class BasePredictor(BaseRunner):
    """The former name of `BaseRunner`, with `predict` in place of `run`."""


Predictor = BasePredictor
"""What it was called before that, when `input` decorated `predict`."""


@overload
def streaming(function: F) -> F: ...


@overload
def streaming(function: None = None) -> Callable[[F], F]: ...


def streaming(function: Any = None) -> Any:
    """Marks a run whose output may be read as server-sent events; with or without parentheses."""

    def mark(function: F) -> F:
        function.__cog_streaming__ = True  # type: ignore[attr-defined]
        return function

    return mark if function is None else mark(function)


@overload
def concurrent(function: F, *, max: int = 1) -> F: ...


@overload
def concurrent(function: None = None, *, max: int = 1) -> Callable[[F], F]: ...


def concurrent(function: Any = None, *, max: int = 1) -> Any:
    """Declares how many runs of an `async` model may overlap."""
    if isinstance(max, bool) or not isinstance(max, int) or max < 1:
        raise ValueError(f"@concurrent(max={max!r}): give a whole number from 1 on.")
    if function is not None and not callable(function):
        raise TypeError(f"@concurrent({function!r}): write @concurrent(max={function!r}).")

    def declare(function: F) -> F:
        function.__cog_concurrency__ = max  # type: ignore[attr-defined]
        return function

    return declare if function is None else declare(function)
