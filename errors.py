"""Every error a person can cause. The API turns them into status codes in one handler, the page
into messages in one function.

    AtelierError
    ├── NotFound              a model, version, prediction or file that does not exist
    ├── AlreadyExists         a name that is taken
    ├── InvalidVersion        a version reference that names nothing that may be run
    ├── InvalidRequest        a request that cannot be understood (bad JSON, bad cursor, bad header)
    ├── InvalidDestination    a model that a training may not make a version of
    ├── InvalidInput          inputs that do not fit the model's schema: every problem at once
    ├── FileTooLarge          an upload or `data:` URI over the limit
    ├── BrokenModel           a model folder, spec or environment that cannot be used
    ├── ConsentNeeded         a licence that has to be accepted before the model runs
    ├── CannotDownload        weights that are not on disk and cannot be brought there
    ├── InUse                 something that cannot be removed while it is needed
    ├── CannotKeep            what cannot be written now: a full disk, a database that is held
    ├── CannotPlace           a model that can never fit this machine
    ├── CannotBuild           a model's own environment that cannot be installed
    └── CannotStart           the app itself cannot start (port, data folder, options)

Each message says what was wrong, what is allowed, and what to do.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass


class AtelierError(Exception):
    """The root; `str()` is the text that people read."""


class NotFound(AtelierError):
    def __init__(self, kind: str, name: str, hint: str = "") -> None:
        super().__init__(f"{kind} {name!r} does not exist. {hint}".strip())
        self.kind = kind
        self.name = name


class AlreadyExists(AtelierError):
    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"A {kind} {name!r} exists already. Choose another name, or change that.")


class InvalidVersion(AtelierError):
    def __init__(self, reference: str, reason: str = "") -> None:
        super().__init__(
            f"Invalid version or not permitted: {reference!r}. "
            + (
                reason
                or "Give `owner/name`, `owner/name:<64 hex digits>` or the 64 hex digits alone."
            )
        )
        self.reference = reference


class InvalidRequest(AtelierError):
    pass


class InvalidDestination(AtelierError):
    def __init__(self, destination: str, reason: str) -> None:
        super().__init__(
            f"The destination {destination!r} {reason} Name a model of your own, as `owner/name`, "
            "whose next version the weights are to be."
        )


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one input.

    `field` is a dotted path below the inputs (`"prompt"`, `"images.0"`), empty for the inputs as a
    whole. `kind` is Replicate's name for the problem (`required`, `enum`, `number_lte`,
    `number_gte`, `invalid_type`, `additional_property_not_allowed`, …; contract §1.4).
    """

    field: str
    kind: str
    message: str


class InvalidInput(AtelierError):
    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(f"{p.field or 'input'}: {p.message}" for p in problems))
        self.problems = problems


class FileTooLarge(AtelierError):
    def __init__(self, size: int | None, limit: int) -> None:
        given = f"{size / 1e6:.1f} MB" if size is not None else "more"
        super().__init__(f"The file has {given}; at most {limit / 1e6:.0f} MB are accepted.")
        self.limit = limit


class BrokenModel(AtelierError):
    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"{model} cannot be used: {reason}")
        self.model = model
        self.reason = reason


class ConsentNeeded(AtelierError):
    def __init__(self, model: str, terms: str) -> None:
        super().__init__(
            f"The licence of {model} has to be accepted once: {terms} Accept it on the model's "
            f"page, /?model={model}, or with `python app.py pull {model} --accept-licence`."
        )
        self.model = model


class CannotDownload(AtelierError):
    pass


class InUse(AtelierError):
    pass


class CannotKeep(AtelierError):
    def __init__(self, reason: object) -> None:
        super().__init__(
            f"It cannot be kept: {reason}. Make room on the disk of Atelier's data folder, or end "
            "what else holds it, and try again."
        )


def disk_is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class CannotPlace(AtelierError):
    pass


class CannotBuild(AtelierError):
    pass


class CannotStart(AtelierError):
    pass
