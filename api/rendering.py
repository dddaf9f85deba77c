"""Predictions as Replicate's clients read them: the service's records → JSON-able dictionaries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import msgspec
from msgspec.structs import replace

from api.links import Links
from errors import AtelierError
from model_registry.catalog import Catalog
from predictions.files import Signer
from predictions.prediction import Prediction, Status
from predictions.references import replaced

Address = Callable[[str], str]
"""From a file's reference, `<id>/<name>`, to what stands for it in JSON."""


class Rendering:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._streaming: dict[str, bool] = {}

    def prediction(
        self, prediction: Prediction, links: Links, output_address: Address | None = None
    ) -> dict[str, Any]:
        """`output_address` says what stands for output files, if not their URLs."""
        own = (links.training if prediction.is_training else links.prediction)(prediction.id)
        urls = {"get": own, "cancel": f"{own}/cancel", "web": links.page(prediction.id)}
        if not prediction.is_training and self._streams(prediction):
            urls["stream"] = links.stream(prediction.id)
        rendered = {
            "id": prediction.id,
            "model": prediction.model,
            "version": prediction.version,
            # No published client knows `aborted`: some raise on it, some wait for ever.
            "status": "canceled"
            if prediction.status is Status.ABORTED
            else prediction.status.value,
            "input": replaced(prediction.input, links.upload),
            "output": replaced(prediction.output, output_address or links.output),
            "error": prediction.error,
            "logs": prediction.logs,
            "metrics": _metrics(prediction),
            "created_at": timestamp(prediction.created_at),
            "started_at": prediction.started_at and timestamp(prediction.started_at),
            "completed_at": prediction.completed_at and timestamp(prediction.completed_at),
            "data_removed": prediction.data_removed,
            "source": prediction.source,
            "urls": urls,
        }
        if prediction.deadline is not None:
            rendered["deadline"] = timestamp(prediction.deadline)
        if prediction.destination is not None:
            rendered["destination"] = prediction.destination
        if prediction.deployment is not None:
            rendered["deployment"] = prediction.deployment
        if prediction.webhook is not None:
            rendered["webhook"] = prediction.webhook
        if prediction.webhook_events_filter is not None:
            rendered["webhook_events_filter"] = prediction.webhook_events_filter
        return rendered

    def _streams(self, prediction: Prediction) -> bool:
        known = self._streaming.get(prediction.version)
        if known is None:
            try:
                known = self._catalog.resolve(f"{prediction.model}:{prediction.version}").streams
            except AtelierError:
                return False  # The model has left; nobody streams it any more.
            self._streaming[prediction.version] = known
        return known


def webhook_body(
    catalog: Catalog, signer: Signer, public_url: str | None
) -> Callable[[Prediction], bytes]:
    """What a webhook is told of a prediction: what a GET would answer then."""
    rendering = Rendering(catalog)

    def body(prediction: Prediction) -> bytes:
        links = Links(public_url or prediction.origin, signer)
        return msgspec.json.encode(rendering.prediction(prediction, links))

    return body


def as_created(prediction: Prediction) -> Prediction:
    """What the answer to a create says of a prediction that has not ended.

    Clients take any other status than `starting` for the end, and skip output that is there.
    """
    return replace(prediction, status=Status.STARTING, output=None, started_at=None)


def timestamp(seconds: float) -> str:
    return (
        datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds")[:-6] + "Z"
    )


def _metrics(prediction: Prediction) -> dict[str, Any]:
    metrics = dict(prediction.metrics)
    if prediction.status.terminal:
        if prediction.predict_time is not None:
            metrics["predict_time"] = prediction.predict_time
        metrics["total_time"] = prediction.total_time
    return metrics
