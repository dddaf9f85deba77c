"""What the API takes and answers, as an OpenAPI 3.1 document.

`QUERY`, which searches models, is not in it: OpenAPI 3.1 knows no such method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from api import deployments, predictions, publishing, trainings

_SCHEMAS = "#/components/schemas/"
_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_TIME = {"type": "string", "format": "date-time"}
_MAYBE_TIME = {"type": ["string", "null"], "format": "date-time"}
_NUMBER = {"type": "number"}
_COUNT = {"type": "integer", "minimum": 0}
_OBJECT = {"type": "object"}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": _SCHEMAS + name}


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> Any:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
    }


def _page(of: str) -> Any:
    return _object({"previous": _MAYBE_TEXT, "next": _MAYBE_TEXT, "results": _list(_ref(of))})


_ACCOUNT = _object(
    {"type": {"enum": ["user", "organization"]}, "username": _TEXT, "name": _TEXT},
    {"github_url": _MAYBE_TEXT, "avatar_url": _MAYBE_TEXT},
)
_COLLECTION = {"name": _TEXT, "slug": _TEXT, "description": _TEXT}
_RUN = {
    "id": _TEXT,
    "model": _TEXT,
    "version": _TEXT,
    "status": {"enum": ["starting", "processing", "succeeded", "failed", "canceled"]},
    "input": _OBJECT,
    "error": _MAYBE_TEXT,
    "logs": _TEXT,
    "metrics": _OBJECT,
    "created_at": _TIME,
    "started_at": _MAYBE_TIME,
    "completed_at": _MAYBE_TIME,
    "data_removed": {"type": "boolean"},
    "source": {"enum": ["api", "web"]},
    "urls": _object({"get": _TEXT, "cancel": _TEXT, "web": _TEXT}, {"stream": _TEXT}),
}
"""What predictions and trainings have in common."""
_RUN_MORE = {"deadline": _TIME, "webhook": _TEXT, "webhook_events_filter": _list(_TEXT)}

SCHEMAS: Mapping[str, Any] = {
    "Prediction": _object(
        {**_RUN, "output": {"description": "Whatever the model gives; files as addresses."}},
        {**_RUN_MORE, "deployment": _TEXT},
    ),
    "Training": _object(
        {
            **_RUN,
            "output": {
                "oneOf": [_object({}, {"version": _TEXT, "weights": _TEXT}), {"type": "null"}]
            },
            "destination": _TEXT,
        },
        _RUN_MORE,
    ),
    "Version": _object(
        {"id": _TEXT, "created_at": _TIME, "cog_version": _TEXT, "openapi_schema": _OBJECT}
    ),
    "Model": _object(
        {
            "url": _TEXT,
            "owner": _TEXT,
            "name": _TEXT,
            "description": _MAYBE_TEXT,
            "visibility": {"enum": ["public", "private"]},
            "is_official": {"type": "boolean"},
            "run_count": _COUNT,
            "github_url": _MAYBE_TEXT,
            "paper_url": _MAYBE_TEXT,
            "license_url": _MAYBE_TEXT,
            "cover_image_url": _MAYBE_TEXT,
            "default_example": {"oneOf": [_ref("Prediction"), {"type": "null"}]},
            "latest_version": {"oneOf": [_ref("Version"), {"type": "null"}]},
        }
    ),
    "File": _object(
        {
            "id": _TEXT,
            "name": _TEXT,
            "content_type": _TEXT,
            "size": _COUNT,
            "etag": _TEXT,
            "checksums": _object({"sha256": _TEXT, "md5": _TEXT}),
            "metadata": _OBJECT,
            "created_at": _TIME,
            "expires_at": _TIME,
            "urls": _object({"get": _TEXT}),
        }
    ),
    "Upload": _object(
        {"content": {"type": "string", "format": "binary"}},
        {"filename": _TEXT, "type": _TEXT, "metadata": {"type": "string", "default": "{}"}},
    ),
    "Deployment": _object(
        {
            "owner": _TEXT,
            "name": _TEXT,
            "current_release": _object(
                {
                    "number": {"type": "integer", "minimum": 1},
                    "model": _TEXT,
                    "version": _TEXT,
                    "created_at": _TIME,
                    "created_by": _ACCOUNT,
                    "configuration": _object(
                        {"hardware": _TEXT, "min_instances": _COUNT, "max_instances": _COUNT}
                    ),
                }
            ),
        }
    ),
    "Collection": _object(_COLLECTION),
    "CollectionWithModels": _object(
        {**_COLLECTION, "full_description": _MAYBE_TEXT, "models": _list(_ref("Model"))}
    ),
    "Found": _object(
        {
            "query": _TEXT,
            "models": _list(_object({"model": _ref("Model"), "metadata": _OBJECT})),
            "collections": _list(_object({**_COLLECTION, "models": _list(_TEXT)})),
            "pages": _list(_object({"name": _TEXT, "href": _TEXT})),
        }
    ),
    "Account": _ACCOUNT,
    "Hardware": _list(
        _object({"name": _TEXT, "sku": _TEXT, "count": _COUNT, "price_per_second": _NUMBER})
    ),
    "WebhookSecret": _object({"key": _TEXT}),
    "Problem": _object(
        {"title": _TEXT, "detail": _TEXT, "status": {"type": "integer"}},
        {
            "invalid_fields": _list(
                _object({"type": _TEXT, "field": _TEXT, "description": _TEXT})
            )
        },
    ),
    **{f"{name}Page": _page(name) for name in
       ("Prediction", "Training", "Model", "Version", "File", "Deployment", "Collection")},
}  # fmt: skip


def _query(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": _TEXT, "description": description}


_CURSOR = _query("cursor", _TEXT, "Where the page begins: from `next` or `previous`.")
_CANCEL_AFTER = _header(
    "Cancel-After", "Such as `30s` or `5m`, at least 5 s: when the run is canceled."
)
_CREATING = (
    _header("Prefer", "`wait` or `wait=N`: hold the answer up to N seconds, to 55 at most."),
    _CANCEL_AFTER,
)


@dataclass(frozen=True)
class Operation:
    """`answers` are statuses and the schema of their bodies, None for an empty one, or a media type
    for what is no JSON. `body` is the schema of what is sent.
    """

    summary: str
    answers: Mapping[int, str | None]
    body: str | None = None
    parameters: tuple[Mapping[str, Any], ...] = ()
    media: str = "application/json"
    open: bool = False
    """Whether it needs no token."""


_MADE = {201: "Prediction", 202: "Prediction"}
_PAGED = (_CURSOR,)

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("POST", "/models/{owner}/{name}/predictions"): Operation(
        "Run a model", _MADE, "Creation", _CREATING
    ),
    ("POST", "/predictions"): Operation("Run a version", _MADE, "VersionCreation", _CREATING),
    ("GET", "/predictions"): Operation(
        "All predictions, newest first",
        {200: "PredictionPage"},
        parameters=(
            _CURSOR,
            _query("created_after", _TEXT, "Only those made then or later; ISO 8601."),
            _query("created_before", _TEXT, "Only those made before."),
            _query("source", {"enum": ["web", "api"]}, "Only those made there."),
        ),
    ),
    ("GET", "/predictions/{id}"): Operation("One prediction", {200: "Prediction"}),
    ("POST", "/predictions/{id}/cancel"): Operation("Stop it", {200: "Prediction"}),
    ("GET", "/models"): Operation(
        "All models",
        {200: "ModelPage"},
        parameters=(
            _CURSOR,
            _query(
                "sort_by", {"enum": ["latest_version_created_at", "model_created_at"]}, "By what."
            ),
            _query("sort_direction", {"enum": ["asc", "desc"]}, "Newest first unless `asc`."),
            _query("query", {"type": "string"}, "Only those that it finds, the best first."),
        ),
    ),
    ("POST", "/models"): Operation(
        "Add a model of the Hub, or a name to push to, for the operator",
        {201: "Model"},
        "ModelCreation",
    ),
    ("GET", "/models/{owner}/{name}"): Operation("One model", {200: "Model"}),
    ("PATCH", "/models/{owner}/{name}"): Operation(
        "What is said of a pushed model, for the operator", {200: "Model"}, "ModelChange"
    ),
    ("DELETE", "/models/{owner}/{name}"): Operation(
        "Delete a pushed model that has no version", {204: None}
    ),
    ("GET", "/models/{owner}/{name}/examples"): Operation(
        "Its examples, as they were run here", {200: "PredictionPage"}, parameters=_PAGED
    ),
    ("GET", "/models/{owner}/{name}/readme"): Operation(
        "Its README, in Markdown", {200: "text/plain"}
    ),
    ("GET", "/models/{owner}/{name}/versions"): Operation(
        "Its versions, newest first", {200: "VersionPage"}, parameters=_PAGED
    ),
    ("GET", "/models/{owner}/{name}/versions/{version}"): Operation(
        "One version", {200: "Version"}
    ),
    ("DELETE", "/models/{owner}/{name}/versions/{version}"): Operation(
        "Delete a version that was pushed or trained, for the operator", {202: None}
    ),
    ("POST", "/models/{owner}/{name}/versions/{version}/trainings"): Operation(
        "Train it; the weights become a version of the destination",
        {201: "Training"},
        "TrainingCreation",
        (_CANCEL_AFTER,),
    ),
    ("GET", "/trainings"): Operation(
        "All trainings, newest first", {200: "TrainingPage"}, parameters=_PAGED
    ),
    ("GET", "/trainings/{id}"): Operation("One training", {200: "Training"}),
    ("POST", "/trainings/{id}/cancel"): Operation("Stop it", {200: "Training"}),
    ("GET", "/files"): Operation("All uploads", {200: "FilePage"}, parameters=_PAGED),
    ("POST", "/files"): Operation(
        "Upload a file", {201: "File"}, "Upload", media="multipart/form-data"
    ),
    ("GET", "/files/{id}"): Operation("What is known of a file", {200: "File"}),
    ("DELETE", "/files/{id}"): Operation("Remove an upload", {204: None}),
    ("GET", "/deployments"): Operation(
        "All deployments", {200: "DeploymentPage"}, parameters=_PAGED
    ),
    ("POST", "/deployments"): Operation(
        "Deploy a version", {200: "Deployment"}, "DeploymentCreation"
    ),
    ("GET", "/deployments/{owner}/{name}"): Operation("One deployment", {200: "Deployment"}),
    ("PATCH", "/deployments/{owner}/{name}"): Operation(
        "Its next release", {200: "Deployment"}, "DeploymentChange"
    ),
    ("DELETE", "/deployments/{owner}/{name}"): Operation("Give it up", {204: None}),
    ("POST", "/deployments/{owner}/{name}/predictions"): Operation(
        "Run a deployment", _MADE, "Creation", _CREATING
    ),
    ("GET", "/collections"): Operation(
        "What models are for", {200: "CollectionPage"}, parameters=_PAGED
    ),
    ("GET", "/collections/{slug}"): Operation(
        "The models for one purpose", {200: "CollectionWithModels"}
    ),
    ("GET", "/search"): Operation(
        "Search everything",
        {200: "Found"},
        parameters=(
            {**_query("query", _TEXT, "What to look for."), "required": True},
            _query("limit", {"type": "integer", "minimum": 1, "maximum": 50}, "20 unless said."),
        ),
    ),
    ("GET", "/account"): Operation("Who calls", {200: "Account"}),
    ("GET", "/hardware"): Operation("What there is to run on", {200: "Hardware"}),
    ("GET", "/webhooks/default/secret"): Operation(
        "What webhooks are signed with", {200: "WebhookSecret"}
    ),
    ("GET", "/streams/{token}"): Operation(
        "A prediction's output as it comes", {200: "text/event-stream"}, open=True
    ),
    ("GET", "/outputs/{id}/{name}"): Operation(
        "A file's bytes", {200: "*/*", 206: "*/*"}, open=True
    ),
    ("GET", "/files/{id}/download"): Operation(
        "An upload's bytes, for who has a signature",
        {200: "*/*", 206: "*/*"},
        parameters=tuple(_query(n, _TEXT, "Signed.") for n in ("owner", "expiry", "signature")),
        open=True,
    ),
}


def document(base: str) -> dict[str, Any]:
    """The whole document, for a server whose root is `base`."""
    bodies = {
        "Creation": predictions.Creation,
        "VersionCreation": predictions.VersionCreation,
        "TrainingCreation": trainings.TrainingCreation,
        "ModelCreation": publishing.NewModel,
        "ModelChange": publishing.Change,
        "DeploymentCreation": deployments.Creation,
        "DeploymentChange": deployments.Change,
    }
    schemas = {name: _body_schema(kind) for name, kind in bodies.items()}
    paths: dict[str, Any] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Atelier",
            "version": "1",
            "description": "Replicate's HTTP API, for models on a machine of your own.",
        },
        "servers": [{"url": f"{base}/v1"}],
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "schemas": {**SCHEMAS, **schemas},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _body_schema(kind: Any) -> dict[str, Any]:
    (schema,), components = msgspec.json.schema_components([kind], ref_template=_SCHEMAS + "{name}")
    found: dict[str, Any] = components[schema["$ref"].removeprefix(_SCHEMAS)]
    return found


def _operation(method: str, path: str, operation: Operation) -> dict[str, Any]:
    parts = path.strip("/").split("/")
    names = [part[1:-1] for part in parts if part.startswith("{")]
    places = [{"name": n, "in": "path", "required": True, "schema": _TEXT} for n in names]
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": "-".join([method.lower(), *(part.strip("{}") for part in parts)]),
        "parameters": [*places, *operation.parameters],
        "responses": {
            **{str(status): _answer(body) for status, body in operation.answers.items()},
            "4XX": {
                "description": "Refused, with the reason.",
                "content": {"application/problem+json": {"schema": _ref("Problem")}},
            },
        },
    }
    if operation.body:
        content = {operation.media: {"schema": _ref(operation.body)}}
        described["requestBody"] = {"required": True, "content": content}
    if operation.open:
        described["security"] = []
    return described


def _answer(body: str | None) -> dict[str, Any]:
    if body is None:
        return {"description": "Done."}
    if "/" in body:
        return {"description": "Done.", "content": {body: {}}}
    return {"description": "Done.", "content": {"application/json": {"schema": _ref(body)}}}
