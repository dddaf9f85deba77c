"""Segments of speech → subtitles, as SubRip (srt) or WebVTT (vtt). No runner."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path as FilePath
from typing import Any

from cog import Path

KINDS = ("srt", "vtt")


def text(segments: Iterable[Mapping[str, Any]], kind: str) -> str:
    """The subtitles of segments that have `start` and `end` in seconds, and a `text`."""
    comma = "," if kind == "srt" else "."
    blocks = ["WEBVTT"] if kind == "vtt" else []
    for number, each in enumerate(segments, 1):
        said = each["text"].strip().replace("-->", "->")
        said = escape(said, quote=False) if kind == "vtt" else said
        end = max(each["end"], each["start"] + 0.001)  # players skip what lasts no time
        times = f"{clock(each['start'], comma)} --> {clock(end, comma)}"
        blocks.append(f"{number}\n{times}\n{said}")
    return "\n\n".join(blocks) + "\n"


def written(content: str, kind: str) -> Path:
    """The subtitles, or a plain text (`txt`), as a file."""
    path = FilePath(tempfile.mkdtemp()) / f"transcript.{kind}"
    path.write_text(content, encoding="utf-8")
    return Path(path)


def clock(seconds: float, comma: str = ".") -> str:
    """Hours, minutes, seconds and thousandths, as players want them."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{comma}{thousandths:03}"
