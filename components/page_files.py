"""Stored files on their way to the page: lent to gradio without copying their bytes."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gradio.utils import get_upload_folder

from errors import NotFound
from predictions.files import Files
from predictions.input_files import decode_data_uri
from predictions.references import reference_of


@dataclass(frozen=True)
class ShownFile:
    """A stored file as the page refers to it: `url` for links, `path` for components. `path` is
    None when the bytes are
    gone or nobody asked for them, `size` in bytes likewise."""

    url: str
    name: str
    content_type: str
    path: str | None = None
    size: int | None = None


def named(reference: str) -> ShownFile:
    """A file from its reference alone, `<id>/<name>` as predictions hold it; the type is guessed
    from the name.
    """
    name = reference.rpartition("/")[2]
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return ShownFile(f"/v1/outputs/{quote(reference)}", name, guessed)


async def shown(files: Files, reference: str) -> ShownFile:
    """The file with that reference, ready for a component; one that is gone still has its name."""
    try:
        stored = await files.get(reference)
        path = await _lend(files.path(stored), stored.id)
    except NotFound:
        return named(reference)
    url = f"/v1/outputs/{quote(f'{stored.id}/{stored.name}')}"
    return ShownFile(url, stored.name, stored.content_type, str(path), stored.size)


async def local(files: Files, value: Any) -> Any:
    """A file input as a `Path` that widgets can show: one of our files, or a `data:` URI. None for
    a file that is gone; other addresses stay as they are.
    """
    if (reference := reference_of(value)) is not None:
        path = (await shown(files, reference)).path
        return Path(path) if path else None
    if isinstance(value, str) and value.startswith("data:"):
        return await asyncio.to_thread(_written, value)
    return value


def _written(uri: str) -> Path:
    """The content of a `data:` URI in gradio's folder, under a name that follows from it."""
    content, content_type = decode_data_uri(uri)
    folder = Path(get_upload_folder()) / hashlib.sha256(content).hexdigest()[:32]
    path = folder / f"example{mimetypes.guess_extension(content_type) or ''}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return path


async def _lend(path: Path, file_id: str) -> Path:
    """A second name for a file inside gradio's folder, where gradio takes it as it is. Anywhere
    else it would hash and
    copy the file first, on the event loop."""
    lent = Path(get_upload_folder()) / file_id / path.name
    if not lent.exists():
        await asyncio.to_thread(_link, path, lent)
    return lent


def _link(path: Path, lent: Path) -> None:
    lent.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, lent)
    except FileExistsError:
        pass
    except OSError:
        # Another disk, or one without links.
        shutil.copyfile(path, lent)
