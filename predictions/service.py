"""All that a face may call: create, follow, cancel, list. Knows neither HTTP nor widgets."""

from __future__ import annotations
from collections.abc import AsyncIterator, Mapping
from typing import Any
from model_registry.catalog import Catalog
from predictions.files import Files
from predictions.prediction import Prediction
from predictions.store import Filter, Page, Totals

class PredictionService:
    catalog: Catalog
    files: Files

    async def create(self, reference: str, inputs: Mapping[str, Any], *, source: str = "api", owner: str = "",
                     deadline: float | None = None, webhook: str | None = None,
                     webhook_events_filter: tuple[str, ...] | None = None) -> Prediction:
        """A new prediction, committed to the store before it is returned.

        `reference` is `owner/name`, `owner/name:version` or a bare version id. File inputs are strings: `http(s)`
        URLs, `data:` URIs, URLs of our own files (`…/v1/files/<id>`, `…/v1/outputs/<id>/<name>`), or
        `{"atelier:file": file id}`. Raises `NotFound`, `InvalidVersion`, `InvalidInput`, `FileTooLarge`, `BrokenModel`.
        """
        ...
    async def get(self, prediction_id: str) -> Prediction:
        """The prediction as it is now. Raises `NotFound`."""
        ...
    async def follow(self, prediction_id: str) -> AsyncIterator[Prediction]:
        """The newest snapshot at once, then each time it has changed; ends after a terminal one. A slow reader skips
        snapshots but never the last, and nothing is lost: outputs and logs only grow within a snapshot."""
        ...
    async def wait(self, prediction_id: str, seconds: float) -> Prediction:
        """The prediction once it is terminal, or as it is after `seconds`."""
        ...
    async def cancel(self, prediction_id: str) -> Prediction: ...
    async def list(self, filter: Filter = Filter(), *, limit: int = 100, before: tuple[float, str] | None = None,
                   after: tuple[float, str] | None = None) -> Page: ...
    async def totals(self, filter: Filter = Filter()) -> Totals: ...
