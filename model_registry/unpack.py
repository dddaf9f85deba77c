"""A zip of a model's folder → the folder. What a zip says of itself is not believed."""

from __future__ import annotations

import lzma
import os
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from errors import InvalidRequest
from model_registry.folder_copy import check_room
from model_registry.sizes import size

MOST_BYTES = 4_000_000_000
"""That a zip may hold, unpacked."""
MOST_ENTRIES = 20_000
_LONGEST_TABLE = 16_000_000
"""Bytes of a zip's table of contents, all of which is read at once."""
_LONGEST_LINK = 4096


def unpack(archive: Path, target: Path, most: int = MOST_BYTES) -> Path:
    """Unpacks a zip into the empty folder `target`; gives the folder with the cog.yaml in it: that
    one, or the only one at the top of the zip. Raises `InvalidRequest`, and then leaves what it
    has unpacked so far: at most `most` bytes.
    """
    try:
        _check_table(archive)
        with zipfile.ZipFile(archive) as opened:
            _unpack(opened, target, most)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise InvalidRequest(f"{archive.name} is no zip that can be read: {error}") from None
    # With a password, of a rare compression; names that are too long, a full disk.
    except (RuntimeError, NotImplementedError, OSError) as error:
        raise InvalidRequest(f"{archive.name} cannot be unpacked: {error}.") from None
    return _model_in(target, archive.name)


def _check_table(archive: Path) -> None:
    """A zip of a few MB may list millions of names."""
    with archive.open("rb") as opened:
        length = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, length - 65_557))
        tail = opened.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise zipfile.BadZipFile("it has no end.")
    table = int.from_bytes(tail[end + 12 : end + 16], "little")
    if table > _LONGEST_TABLE:
        raise InvalidRequest(
            f"{archive.name} lists more files than can be taken, which is {MOST_ENTRIES:,}."
        )


def _unpack(opened: zipfile.ZipFile, target: Path, most: int) -> None:
    entries = opened.infolist()
    if len(entries) > MOST_ENTRIES:
        raise InvalidRequest(
            f"The zip holds {len(entries):,} files; at most {MOST_ENTRIES:,} are taken."
        )
    announced = sum(entry.file_size for entry in entries)
    too_large = InvalidRequest(
        f"The zip holds more than {size(most)}. Push the folder itself: "
        "`python app.py push DIR owner/name`."
    )
    if announced > most:
        raise too_large
    check_room(target, announced, "The zip")
    left, links = most, []
    for entry in entries:
        path = target / _place(entry)
        if _is_link(entry):
            links.append((path, entry))
        elif entry.is_dir():
            path.mkdir(parents=True, exist_ok=True)
        else:
            left -= _write(opened, entry, path, left, too_large)
    # Last: nothing is ever written through one. Where they lead is looked at when the folder is
    # copied.
    for path, entry in links:
        if entry.file_size > _LONGEST_LINK:
            raise InvalidRequest(
                f"{entry.filename} in the zip is a link of {entry.file_size} bytes."
            )
        _clear(path, entry)
        path.symlink_to(opened.read(entry).decode())


def _place(entry: zipfile.ZipInfo) -> PurePosixPath:
    """Where an entry belongs below the target."""
    name = entry.filename
    path = PurePosixPath(name)
    strange = "\\" in name or "\0" in name or ":" in name.partition("/")[0]
    if not path.parts or path.is_absolute() or ".." in path.parts or strange:
        raise InvalidRequest(
            f"The zip has a file called {name!r}, which leads out of its folder. Pack the folder "
            "again, with plain names."
        )
    return path


def _is_link(entry: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(entry.external_attr >> 16)


def _write(
    opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, left: int, too_large: Exception
) -> int:
    """Gives how many bytes it has written. Raises `too_large` before there are more than `left`."""
    _clear(path, entry)
    written = 0
    with opened.open(entry) as packed, path.open("xb") as unpacked:
        while chunk := packed.read(1 << 20):
            written += len(chunk)
            if written > left:
                raise too_large
            unpacked.write(chunk)
    path.chmod(0o644 | (entry.external_attr >> 16) & 0o111)
    return written


def _clear(path: Path, entry: zipfile.ZipInfo) -> None:
    """Makes the way to a file free. Raises `InvalidRequest` where something stands in it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError:  # a file of that name, or a name too long
        raise InvalidRequest(
            f"The zip's {entry.filename!r} has no place beside the others."
        ) from None
    if path.exists() or path.is_symlink():
        raise InvalidRequest(f"The zip holds {entry.filename!r} twice.")


def _model_in(folder: Path, name: str) -> Path:
    """Those who pack a folder often pack it with its name, as GitHub does."""
    if (folder / "cog.yaml").is_file():
        return folder
    within = [each for each in folder.iterdir() if (each / "cog.yaml").is_file()]
    if len(within) == 1 and not within[0].is_symlink():
        return within[0]
    raise InvalidRequest(f"{name} has no cog.yaml at its top, nor in the one folder there.")
