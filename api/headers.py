"""What the headers of a create ask for: how long to hold the answer, when to cancel the run."""

from __future__ import annotations

import re

from starlette.datastructures import Headers

from api.errors import InvalidBody
from errors import Problem

MAX_HOLD = 55.0
"""Seconds that an answer is held back at most: clients give up after 60."""

MIN_DEADLINE = 5

# What a held answer must leave of the seconds that a client named, to arrive in time.
_MARGIN = 0.1
_STAINLESS_MARGIN = 5.0

_SECONDS = re.compile(r"0*[1-9]\d*", re.ASCII)
_DURATION = re.compile(
    r"(?:(?P<h>\d{1,6})h)?(?:(?P<m>\d{1,6})m)?(?:(?P<s>\d{1,6})s)?|(?P<bare>\d{1,6})", re.ASCII
)


def held_seconds(headers: Headers) -> float | None:
    """How long the answer may wait for the end; None without a usable `Prefer: wait`."""
    asked = _wait(headers)
    timeout = headers.get("x-stainless-read-timeout")
    if asked is None or timeout is None:
        return asked
    try:
        return max(0.0, min(asked, float(timeout) - _STAINLESS_MARGIN))
    except ValueError:
        return asked


def _wait(headers: Headers) -> float | None:
    for member in ",".join(headers.getlist("prefer")).split(","):
        name, _, value = member.partition(";")[0].partition("=")
        value = value.strip(' "')
        if name.strip().lower() != "wait":
            continue
        if not value:
            return MAX_HOLD
        if _SECONDS.fullmatch(value):
            return min(MAX_HOLD, float(value) - _MARGIN)
    return None


def allowed_seconds(headers: Headers) -> int | None:
    """The seconds that `Cancel-After` allows from creation, or None. Raises `InvalidBody`."""
    text = headers.get("cancel-after")
    if text is None:
        return None
    parts = _DURATION.fullmatch(text.strip())
    if parts:
        seconds = {unit: int(digits or 0) for unit, digits in parts.groupdict().items()}
        allowed = 3600 * seconds["h"] + 60 * seconds["m"] + seconds["s"] + seconds["bare"]
        if allowed >= MIN_DEADLINE:
            return allowed
    reason = f"{text!r} is no deadline; give at least {MIN_DEADLINE} seconds: 30, 30s, 5m or 2h30m."
    raise InvalidBody(Problem("Cancel-After", "invalid_duration", reason))
