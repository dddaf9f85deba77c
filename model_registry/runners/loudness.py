"""Brings sound to a level, in the ways that MusicGen offers. No runner."""

from __future__ import annotations

import math
from typing import Any

STRATEGIES = ("loudness", "clip", "peak", "rms")
LOUDNESS, PEAK, RMS = -14.0, -1.0, -18.0
"""The levels, in LUFS for the first and in decibels below the loudest there can be."""
SILENCE = 2e-3
"""Root of the mean square below which sound is left as it is: it would be noise that is raised."""


def normalised(samples: Any, rate: int, strategy: str) -> Any:
    """The samples, one row a channel, at the level that the strategy aims at, between -1 and 1."""
    import numpy as np

    size = math.sqrt(float(np.square(samples).mean()))
    if strategy == "loudness" and size > SILENCE:
        gain = LOUDNESS - loudness(samples, rate)
        # Squeezed rather than cut off where it gets too loud.
        return np.tanh(samples * 10 ** (gain / 20))
    if strategy == "peak":
        samples = samples * (10 ** (PEAK / 20) / max(1e-9, float(np.abs(samples).max())))
    elif strategy == "rms":
        samples = samples * (10 ** (RMS / 20) / max(1e-9, size))
    return samples.clip(-1, 1)


def loudness(samples: Any, rate: int) -> float:
    """In LUFS, by ITU-R BS.1770-4: mean power as ears weigh it, where it is not silent."""
    import numpy as np
    from scipy.signal import lfilter

    for numerator, denominator in _weighting(rate):
        samples = lfilter(numerator, denominator, samples, axis=-1)
    size = min(int(0.4 * rate), samples.shape[-1])
    starts = range(0, samples.shape[-1] - size + 1, max(1, size // 4))
    power = np.array([np.square(samples[:, at : at + size]).mean(-1).sum() for at in starts])
    gate = 10 ** ((-70 + 0.691) / 10)
    loud = power[power > gate]
    if not len(loud):
        return -70.0
    loud = loud[loud > loud.mean() / 10]
    return float(-0.691 + 10 * math.log10(loud.mean()))


def _weighting(rate: int) -> list[tuple[list[float], list[float]]]:
    """The two filters of the norm, for any rate: a shelf that raises what is high, and one that
    takes away what is very low.
    """
    gain, corner, quality = 3.99984385397, 1681.97445095553, 0.707175236955419
    k, high = math.tan(math.pi * corner / rate), 10 ** (gain / 20)
    middle = high**0.4996667741545416
    below = 1 + k / quality + k * k
    shelf = (
        [
            (high + middle * k / quality + k * k) / below,
            2 * (k * k - high) / below,
            (high - middle * k / quality + k * k) / below,
        ],
        [1.0, 2 * (k * k - 1) / below, (1 - k / quality + k * k) / below],
    )
    k, quality = math.tan(math.pi * 38.1354708681 / rate), 0.500327037323877
    below = 1 + k / quality + k * k
    cut = [1.0, 2 * (k * k - 1) / below, (1 - k / quality + k * k) / below]
    return [shelf, ([1.0, -2.0, 1.0], cut)]
