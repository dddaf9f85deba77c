"""Compute seconds and hardware rates → cost."""

from __future__ import annotations

from settings import GPU_RATE, HARDWARE_RATES
from workers.devices import TIMES


def rate(hardware: str) -> float:
    """Dollars per second of the named hardware; a card without a rate of its own costs
    `settings.GPU_RATE` an hour, and several as many times that of one.
    """
    several, _, card = hardware.rpartition(TIMES)
    return int(several or 1) * HARDWARE_RATES.get(card, GPU_RATE) / 3600
