"""What the API takes and answers, as an OpenAPI 3.1 document.

`QUERY`, which searches models, is not in it: OpenAPI 3.1 knows no such method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from api import deployments, predictions, publishing, trainings
from api.openapi_schemas import REFERENCE, SCHEMAS, TEXT, reference


def _query(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": TEXT, "description": description}


_CURSOR = _query("cursor", TEXT, "Where the page begins: from `next` or `previous`.")
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
            _query("created_after", TEXT, "Only those made then or later; ISO 8601."),
            _query("created_before", TEXT, "Only those made before."),
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
            {**_query("query", TEXT, "What to look for."), "required": True},
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
        parameters=tuple(_query(n, TEXT, "Signed.") for n in ("owner", "expiry", "signature")),
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
    (schema,), components = msgspec.json.schema_components(
        [kind], ref_template=REFERENCE + "{name}"
    )
    found: dict[str, Any] = components[schema["$ref"].removeprefix(REFERENCE)]
    return found


def _operation(method: str, path: str, operation: Operation) -> dict[str, Any]:
    parts = path.strip("/").split("/")
    names = [part[1:-1] for part in parts if part.startswith("{")]
    places = [{"name": n, "in": "path", "required": True, "schema": TEXT} for n in names]
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": "-".join([method.lower(), *(part.strip("{}") for part in parts)]),
        "parameters": [*places, *operation.parameters],
        "responses": {
            **{str(status): _answer(body) for status, body in operation.answers.items()},
            "4XX": {
                "description": "Refused, with the reason.",
                "content": {"application/problem+json": {"schema": reference("Problem")}},
            },
        },
    }
    if operation.body:
        content = {operation.media: {"schema": reference(operation.body)}}
        described["requestBody"] = {"required": True, "content": content}
    if operation.open:
        described["security"] = []
    return described


def _answer(body: str | None) -> dict[str, Any]:
    if body is None:
        return {"description": "Done."}
    if "/" in body:
        return {"description": "Done.", "content": {body: {}}}
    return {"description": "Done.", "content": {"application/json": {"schema": reference(body)}}}
