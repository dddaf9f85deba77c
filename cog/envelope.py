"""What the document says around a model's inputs and outputs: requests, responses, errors."""

from __future__ import annotations

from typing import Any

REFERENCE = "#/components/schemas/"
STATUSES = ("starting", "processing", "succeeded", "canceled", "failed")

COMMON: dict[str, Any] = {
    "Status": {
        "title": "Status",
        "description": "An enumeration.",
        "type": "string",
        "enum": list(STATUSES),
    },
    "HTTPValidationError": {
        "title": "HTTPValidationError",
        "type": "object",
        "properties": {
            "detail": {
                "title": "Detail",
                "type": "array",
                "items": {"$ref": REFERENCE + "ValidationError"},
            }
        },
    },
    "ValidationError": {
        "title": "ValidationError",
        "type": "object",
        "properties": {
            "loc": {
                "title": "Location",
                "type": "array",
                "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            },
            "msg": {"title": "Message", "type": "string"},
            "type": {"title": "Error Type", "type": "string"},
        },
        "required": ["loc", "msg", "type"],
    },
}


def around(kind: str, inputs: str, outputs: str) -> dict[str, Any]:
    """The components of a request and a response; `inputs` and `outputs` name those they hold."""
    request = {
        "title": f"{kind}Request",
        "type": "object",
        "properties": {
            "id": {"title": "Id", "type": "string"},
            "input": {"$ref": REFERENCE + inputs},
            "context": {"type": "object", "additionalProperties": {"type": "string"}},
            "webhook": {"type": "string", "format": "uri"},
            "webhook_events_filter": {"type": "array", "items": {"type": "string"}},
        },
    }
    response = {
        "title": f"{kind}Response",
        "type": "object",
        "properties": {
            "id": {"title": "Id", "type": "string"},
            "status": {"$ref": REFERENCE + "Status"},
            "input": {"$ref": REFERENCE + inputs},
            "output": {"$ref": REFERENCE + outputs},
            "error": {"type": "string", "nullable": True},
            "logs": {"type": "string", "default": ""},
            "metrics": {"type": "object"},
        },
    }
    return {f"{kind}Request": request, f"{kind}Response": response}


def operation(post: dict[str, Any], kind: str) -> dict[str, Any]:
    """A POST with its request and its answers."""

    def content(name: str) -> dict[str, Any]:
        return {"content": {"application/json": {"schema": {"$ref": REFERENCE + name}}}}

    answers = {
        "200": {"description": "The finished one.", **content(f"{kind}Response")},
        "422": {"description": "Inputs that do not fit.", **content("HTTPValidationError")},
    }
    return {**post, "requestBody": content(f"{kind}Request"), "responses": answers}
