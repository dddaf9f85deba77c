"""Where `Input` also is."""

from cog.types import FieldInfo, Input

__all__ = ["FieldInfo", "Input"]
