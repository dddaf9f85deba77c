"""`app.py pull owner/name`: weights ahead of a model's first run, told on a terminal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from errors import AtelierError
from model_registry.catalog import Catalog
from model_registry.consents import terms
from model_registry.downloads import Downloads, Progress
from model_registry.sizes import size

_LINE_EVERY = 10
"""Percent between two lines where nobody watches them being overwritten."""


async def pull(
    catalog: Catalog, downloads: Downloads, names: Sequence[str], accept_licence: bool
) -> int:
    """The exit code: 1 where something could not be had. What was asked for besides, is."""
    failures = 0
    for name in names:
        try:
            await _pull(catalog, downloads, name, accept_licence)
        except AtelierError as error:
            failures += 1
            print(f"atelier: {error}", file=sys.stderr)
    await downloads.stop()
    return 1 if failures else 0


async def _pull(catalog: Catalog, downloads: Downloads, name: str, accept_licence: bool) -> None:
    if "/" not in name and len(name) < 64:
        catalog.find(name)  # which knows whose model that may be
    version = catalog.resolve(name)
    model = catalog.find(version.model)
    if not version.weights:
        print(f"{model.id}: nothing to download, its weights are here.")
        return
    if accept_licence and downloads.consents.needed(model) and model.licence is not None:
        print(f"{model.id}: licence accepted. {' '.join(terms(model.licence))}")
        downloads.consents.give(model)
    await asyncio.to_thread(downloads.check, model, version)
    teller = _Teller(model.id, sys.stdout.isatty())
    try:
        await downloads.provide(version, teller.tell)
    finally:
        teller.end()
    extent = await asyncio.to_thread(downloads.extent, version)
    print(f"{model.id}: {size(extent.here)} on disk, in {downloads.shelf.cache.root}")


class _Teller:
    """One line that is overwritten; where it goes to a file, a line every few percent and one for
    whatever holds it up.
    """

    def __init__(self, name: str, overwrites: bool) -> None:
        self._name = name
        self._overwrites = overwrites
        self._told = -1
        self._noted = ""
        self._open = False

    def tell(self, progress: Progress) -> None:
        if self._overwrites:
            print(f"\r\033[K{self._name}: {progress}", end="", flush=True)
            self._open = True
            return
        part = 100 * progress.done // progress.total // _LINE_EVERY if progress.total else -1
        if part > self._told or progress.note not in ("", self._noted):
            self._told = max(part, self._told)
            self._noted = progress.note or self._noted
            print(f"{self._name}: {progress}", flush=True)

    def end(self) -> None:
        if self._open:
            print()
