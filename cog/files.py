"""Where `File` and `Path` used to live."""

from cog.types import File, Path, URLFile, URLPath

__all__ = ["File", "Path", "URLFile", "URLPath"]
