"""Types of a model's own, to and from JSON: what `cog.coder` has in the original."""

from __future__ import annotations

from typing import Any


class Coder:
    """How values of one kind of type become a dictionary and come back."""

    _registered: list[type[Coder]] = []

    @staticmethod
    def register(coder: type[Coder]) -> None:
        """From here on `lookup` asks this one too."""
        if coder not in Coder._registered:
            Coder._registered.append(coder)

    @staticmethod
    def lookup(type: Any) -> Coder | None:
        """A coder for the type, if one that was registered makes one."""
        made = (coder.factory(type) for coder in Coder._registered)
        return next((coder for coder in made if coder is not None), None)

    @staticmethod
    def factory(type: Any) -> Coder | None:
        """A coder if this class has one for the type."""
        raise NotImplementedError

    def encode(self, value: Any) -> dict[str, Any]:
        raise NotImplementedError

    def decode(self, value: dict[str, Any]) -> Any:
        raise NotImplementedError
