"""The schemas of the OpenAPI document: what answers look like. JSON bodies that are sent have
theirs from what decodes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REFERENCE = "#/components/schemas/"
TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_TIME = {"type": "string", "format": "date-time"}
_MAYBE_TIME = {"type": ["string", "null"], "format": "date-time"}
_NUMBER = {"type": "number"}
_COUNT = {"type": "integer", "minimum": 0}
_OBJECT = {"type": "object"}


def reference(name: str) -> dict[str, Any]:
    return {"$ref": REFERENCE + name}


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> Any:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
    }


def _page(of: str) -> Any:
    return _object({"previous": _MAYBE_TEXT, "next": _MAYBE_TEXT, "results": _list(reference(of))})


_ACCOUNT = _object(
    {"type": {"enum": ["user", "organization"]}, "username": TEXT, "name": TEXT},
    {"github_url": _MAYBE_TEXT, "avatar_url": _MAYBE_TEXT},
)
_COLLECTION = {"name": TEXT, "slug": TEXT, "description": TEXT}
_RUN = {
    "id": TEXT,
    "model": TEXT,
    "version": TEXT,
    "status": {"enum": ["starting", "processing", "succeeded", "failed", "canceled"]},
    "input": _OBJECT,
    "error": _MAYBE_TEXT,
    "logs": TEXT,
    "metrics": _OBJECT,
    "created_at": _TIME,
    "started_at": _MAYBE_TIME,
    "completed_at": _MAYBE_TIME,
    "data_removed": {"type": "boolean"},
    "source": {"enum": ["api", "web"]},
    "urls": _object({"get": TEXT, "cancel": TEXT, "web": TEXT}, {"stream": TEXT}),
}
"""What predictions and trainings have in common."""
_RUN_MORE = {"deadline": _TIME, "webhook": TEXT, "webhook_events_filter": _list(TEXT)}

SCHEMAS: Mapping[str, Any] = {
    "Prediction": _object(
        {**_RUN, "output": {"description": "Whatever the model gives; files as addresses."}},
        {**_RUN_MORE, "deployment": TEXT},
    ),
    "Training": _object(
        {
            **_RUN,
            "output": {
                "oneOf": [_object({}, {"version": TEXT, "weights": TEXT}), {"type": "null"}]
            },
            "destination": TEXT,
        },
        _RUN_MORE,
    ),
    "Version": _object(
        {"id": TEXT, "created_at": _TIME, "cog_version": TEXT, "openapi_schema": _OBJECT}
    ),
    "Model": _object(
        {
            "url": TEXT,
            "owner": TEXT,
            "name": TEXT,
            "description": _MAYBE_TEXT,
            "visibility": {"enum": ["public", "private"]},
            "is_official": {"type": "boolean"},
            "run_count": _COUNT,
            "github_url": _MAYBE_TEXT,
            "paper_url": _MAYBE_TEXT,
            "license_url": _MAYBE_TEXT,
            "cover_image_url": _MAYBE_TEXT,
            "default_example": {"oneOf": [reference("Prediction"), {"type": "null"}]},
            "latest_version": {"oneOf": [reference("Version"), {"type": "null"}]},
        }
    ),
    "File": _object(
        {
            "id": TEXT,
            "name": TEXT,
            "content_type": TEXT,
            "size": _COUNT,
            "etag": TEXT,
            "checksums": _object({"sha256": TEXT, "md5": TEXT}),
            "metadata": _OBJECT,
            "created_at": _TIME,
            "expires_at": _TIME,
            "urls": _object({"get": TEXT}),
        }
    ),
    "Upload": _object(
        {"content": {"type": "string", "format": "binary"}},
        {"filename": TEXT, "type": TEXT, "metadata": {"type": "string", "default": "{}"}},
    ),
    "Deployment": _object(
        {
            "owner": TEXT,
            "name": TEXT,
            "current_release": _object(
                {
                    "number": {"type": "integer", "minimum": 1},
                    "model": TEXT,
                    "version": TEXT,
                    "created_at": _TIME,
                    "created_by": _ACCOUNT,
                    "configuration": _object(
                        {"hardware": TEXT, "min_instances": _COUNT, "max_instances": _COUNT}
                    ),
                }
            ),
        }
    ),
    "Collection": _object(_COLLECTION),
    "CollectionWithModels": _object(
        {**_COLLECTION, "full_description": _MAYBE_TEXT, "models": _list(reference("Model"))}
    ),
    "Found": _object(
        {
            "query": TEXT,
            "models": _list(_object({"model": reference("Model"), "metadata": _OBJECT})),
            "collections": _list(_object({**_COLLECTION, "models": _list(TEXT)})),
            "pages": _list(_object({"name": TEXT, "href": TEXT})),
        }
    ),
    "Account": _ACCOUNT,
    "Hardware": _list(
        _object({"name": TEXT, "sku": TEXT, "count": _COUNT, "price_per_second": _NUMBER})
    ),
    "WebhookSecret": _object({"key": TEXT}),
    "Problem": _object(
        {"title": TEXT, "detail": TEXT, "status": {"type": "integer"}},
        {
            "invalid_fields": _list(
                _object({"type": TEXT, "field": TEXT, "description": TEXT})
            )
        },
    ),
    **{f"{name}Page": _page(name) for name in
       ("Prediction", "Training", "Model", "Version", "File", "Deployment", "Collection")},
}  # fmt: skip
