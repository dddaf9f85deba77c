"""Where `CancelationException` used to live."""

from cog.types import CancelationException

__all__ = ["CancelationException"]
