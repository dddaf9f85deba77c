"""Secret inputs, taken out of what a model prints and of how it fails: neither is ever stored."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from msgspec.structs import replace

from workers import messages
from workers.messages import Event

MASKED = "**********"
SHORTEST = 6
"""Letters. What is shorter is in many a word that is no secret."""


class Masks:
    """The secrets of what runs, by the prediction's id; in memory only."""

    def __init__(self) -> None:
        self._patterns: dict[str, re.Pattern[str]] = {}

    def remember(
        self, prediction_id: str, secrets: Collection[str], inputs: Mapping[str, Any]
    ) -> None:
        """`secrets` are the names of the inputs that hold them."""
        texts = [text for name in secrets for text in _texts(inputs.get(name))]
        if texts:
            longest_first = sorted(texts, key=len, reverse=True)
            self._patterns[prediction_id] = re.compile("|".join(map(re.escape, longest_first)))

    def forget(self, prediction_id: str) -> None:
        self._patterns.pop(prediction_id, None)

    def applied(self, event: Event) -> Event:
        """The event as it may be stored and shown."""
        pattern = self._patterns.get(event.prediction_id) if self._patterns else None
        if pattern is None:
            return event
        match event:
            case messages.Log(text=text):
                return replace(event, text=pattern.sub(MASKED, text))
            case messages.Failed(reason=reason, traceback=traceback):
                return replace(
                    event,
                    reason=pattern.sub(MASKED, reason),
                    traceback=pattern.sub(MASKED, traceback),
                )
        return event


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str) and len(each) >= SHORTEST]
