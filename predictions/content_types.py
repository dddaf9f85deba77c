"""What kind of file it is: by what was said of it, its name, or its first bytes."""

from __future__ import annotations

import mimetypes
from pathlib import Path

OCTETS = "application/octet-stream"

# What the system's own table may lack or name differently from machine to machine.
_GUESSES = {
    ".webp": "image/webp",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".glb": "model/gltf-binary",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
    ".safetensors": OCTETS,
}

# The first bytes of what models take and make; clients often send no better type than octets.
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (4, b"ftyp", "video/mp4"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"glTF", "model/gltf-binary"),
    (0, b"%PDF", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
)


def of(path: Path, declared: str | None) -> str:
    """The declared type unless it says nothing, else what the name says, else what the first bytes
    say.
    """
    if declared and declared != OCTETS:
        return declared
    guessed = _GUESSES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0]
    if guessed:
        return guessed
    with path.open("rb") as opened:
        head = opened.read(16)
    return next((kind for at, magic, kind in _MAGIC if head[at : at + len(magic)] == magic), OCTETS)
