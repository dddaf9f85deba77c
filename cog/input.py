"""Where `Input` also is, and the decorator that stood in its place before there was one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from cog.types import UNSET, FieldInfo, Input

__all__ = ["FieldInfo", "Input", "input"]

F = TypeVar("F", bound=Callable[..., Any])


def input(
    name: str,
    type: Any,
    default: Any = UNSET,
    min: float | None = None,
    max: float | None = None,
    options: Any = None,
    help: str | None = None,
) -> Callable[[F], F]:
    """Describes the parameter `name` of the function that it decorates: what Cog's first releases
    had. Such a function says nowhere what it returns.
    """
    described = Input(default=default, ge=min, le=max, choices=options, description=help)

    def declare(function: F) -> F:
        function.__annotations__[name] = type
        declared = {name: described, **getattr(function, "__cog_inputs__", {})}
        function.__cog_inputs__ = declared  # type: ignore[attr-defined]
        return function

    return declare
