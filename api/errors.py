"""Every error as an answer: status code and problem document. The only place that does this."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from errors import (
    AlreadyExists,
    AtelierError,
    BrokenModel,
    CannotDownload,
    CannotKeep,
    CannotPlace,
    ConsentNeeded,
    FileTooLarge,
    InUse,
    InvalidDestination,
    InvalidInput,
    InvalidRequest,
    InvalidVersion,
    NotFound,
    Problem,
    disk_is_full,
)


class Unauthenticated(AtelierError):
    pass


class BodyTooLarge(AtelierError):
    pass


class TooSlow(AtelierError):
    """A body that trickles in, which holds a connection and means nothing good."""


class InvalidBody(AtelierError):
    """A body or header of the wrong shape; the problems' fields are paths below the body."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(_lines(problems))
        self.problems = problems


_ANSWERS: dict[type[AtelierError], tuple[int, str]] = {
    Unauthenticated: (401, "Unauthenticated"),
    NotFound: (404, "Not found"),
    AlreadyExists: (409, "Already exists"),
    InvalidRequest: (400, "Bad request"),
    InvalidVersion: (422, "Invalid version or not permitted"),
    InvalidDestination: (422, "Invalid destination"),
    InvalidInput: (422, "Input validation failed"),
    InvalidBody: (422, "Input validation failed"),
    BodyTooLarge: (413, "Request too large"),
    TooSlow: (408, "Request too slow"),
    FileTooLarge: (413, "File too large"),
    BrokenModel: (422, "Model cannot be used"),
    ConsentNeeded: (403, "Licence not accepted"),
    CannotDownload: (422, "Weights cannot be downloaded"),
    InUse: (409, "In use"),
    CannotKeep: (503, "Cannot be kept now"),
    CannotPlace: (422, "Model does not fit this machine"),
}


def install(application: FastAPI) -> None:
    """Answers what the endpoints of `application` raise."""
    application.add_exception_handler(AtelierError, _answer_error)
    application.add_exception_handler(HTTPException, _answer_refusal)
    application.add_exception_handler(ClientDisconnect, _answer_nobody)
    application.add_exception_handler(OSError, _answer_disk)
    application.add_exception_handler(Exception, _answer_fault)


def status_of(error: AtelierError) -> int:
    return _answer_of(error)[0]


def _answer_of(error: AtelierError) -> tuple[int, str]:
    kinds = (kind for kind in type(error).__mro__ if kind in _ANSWERS)
    return _ANSWERS.get(next(kinds, AtelierError), (500, "Error"))


async def _answer_error(request: Request, error: Any) -> Response:
    status, title = _answer_of(error)
    match error:
        case InvalidInput(problems=problems):
            return _invalid(status, title, tuple(map(_below_body, problems)))
        case InvalidBody(problems=problems):
            return _invalid(status, title, problems)
        case NotFound(kind="File"):
            return problem(status, title, "File not found")
    # What is still to come of a body that was given up is not to be taken for the next request.
    headers = {"Connection": "close"} if isinstance(error, TooSlow | BodyTooLarge) else None
    return problem(status, title, str(error), headers=headers)


async def _answer_refusal(request: Request, error: Any) -> Response:
    title = HTTPStatus(error.status_code).phrase.capitalize()
    detail = error.detail
    if error.status_code == 404:
        detail = f"There is no {request.url.path} here."
    elif error.status_code == 405:
        detail = (
            f"{request.url.path} does not take {request.method}; it takes {error.headers['Allow']}."
        )
    return problem(error.status_code, title, detail, headers=error.headers)


async def _answer_nobody(request: Request, error: Any) -> Response:
    return problem(400, "Bad request", "The request ended before its body did.")


async def _answer_disk(request: Request, error: Any) -> Response:
    if disk_is_full(error):
        return await _answer_error(request, CannotKeep(error.strerror))
    raise error


async def _answer_fault(request: Request, error: Any) -> Response:
    return problem(
        500,
        "Internal server error",
        f"Atelier has a fault here: {type(error).__name__}. The log says more.",
    )


def stopped() -> Response:
    """To who asked for something that the end of the app has cut off."""
    return problem(503, "Stopped", "Atelier was stopped meanwhile. Ask again once it runs.")


def problem(
    status: int, title: str, detail: str, *, headers: Any = None, more: dict[str, Any] | None = None
) -> Response:
    document = {"title": title, "detail": detail, "status": status, **(more or {})}
    return Response(msgspec.json.encode(document), status, headers, "application/problem+json")


def _invalid(status: int, title: str, problems: tuple[Problem, ...]) -> Response:
    fields = [
        {"type": each.kind, "field": each.field, "description": each.message} for each in problems
    ]
    return problem(status, title, _lines(problems), more={"invalid_fields": fields})


def _below_body(of_input: Problem) -> Problem:
    """With the path from the body on. Replicate names the parent of what is missing or too much."""
    path = f"input.{of_input.field}".rstrip(".")
    parent, _, name = path.rpartition(".")
    match of_input.kind:
        case "required" if parent:
            return Problem(parent, "required", f"{name} is required")
        case "additional_property_not_allowed" if parent:
            return replace(of_input, field=parent)
    return replace(of_input, field=path)


def _lines(problems: Iterable[Problem]) -> str:
    return "".join(f"- {each.field or 'body'}: {each.message}\n" for each in problems)
