"""Where `BaseModel` also is."""

from cog.types import BaseModel

__all__ = ["BaseModel"]
