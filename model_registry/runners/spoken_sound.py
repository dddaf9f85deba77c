"""What of a recording is listened to: its sound without long silences, and when each moment of it
was. No runner.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

RATE = 16_000
"""Samples a second, of what Whisper hears."""
SILENCE = 2
"""Seconds of silence that are left out, where there are more: a window that a Whisper listens to
costs the same, however little is said in it."""
KEPT = 0.3
"""Seconds of such a silence that stay on either side."""

Span = tuple[float, float]
"""From and to, in seconds."""


class SpokenSound:
    """Grows at its end, and loses at its beginning what was understood.

    `spoken` are spans of it in which somebody speaks, `recorded` the same in the recording's time.
    """

    def __init__(self) -> None:
        import numpy as np

        self.samples = np.zeros(0, np.float32)
        self.spoken: list[Span] = []
        self._begins: list[float] = []  # of the pieces without a cut, here and in the recording
        self._recorded: list[float] = []

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE

    @property
    def recorded(self) -> list[Span]:
        return [(self.time(begin), self.time(end, ends=True)) for begin, end in self.spoken]

    def add(self, samples: Any, at: float, speech: list[Span], shorten: bool) -> None:
        """Samples that were recorded `at` that second, in which there is `speech`; `shorten`: long
        silences are left out.
        """
        import numpy as np

        length = len(samples) / RATE
        for begin, end in _near(speech, length) if shorten else [(0.0, length)]:
            first, last = round(begin * RATE), round(end * RATE)
            here = self.seconds
            self._begins.append(here)
            self._recorded.append(at + first / RATE)
            self.samples = np.concatenate([self.samples, samples[first:last]])
            moved = here - first / RATE
            for a, b in speech:
                if begin <= a < end:  # it may end a little after these samples
                    self.spoken.append((a + moved, (min(b, end) if shorten else b) + moved))

    def drop(self, seconds: float) -> None:
        """Forgets so much of the beginning; no speech is cut there."""
        first = round(seconds * RATE)
        seconds = first / RATE
        self.samples = self.samples[first:]
        if not len(self.samples):
            self._begins, self._recorded, self.spoken = [], [], []
            return
        at, later = self.time(seconds), bisect_right(self._begins, seconds)
        self._begins = [0.0, *(each - seconds for each in self._begins[later:])]
        self._recorded = [at, *self._recorded[later:]]
        self.spoken = [(a - seconds, b - seconds) for a, b in self.spoken if a >= seconds]

    def time(self, second: float, ends: bool = False) -> float:
        """When in the recording this second was; where a silence was left out there, the moment
        after it, or the one before for what `ends`.
        """
        piece = max(0, (bisect_left if ends else bisect_right)(self._begins, second) - 1)
        return self._recorded[piece] + (second - self._begins[piece])


def _near(speech: list[Span], length: float) -> list[Span]:
    """Speech, with all silences that are not long."""
    pieces: list[Span] = []
    for begin, end in speech:
        if pieces and begin - pieces[-1][1] < SILENCE - KEPT:
            pieces[-1] = (pieces[-1][0], min(length, end + KEPT))
        else:
            pieces.append((max(0, begin - KEPT), min(length, end + KEPT)))
    return pieces
