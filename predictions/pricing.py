"""Compute seconds and hardware rates → cost."""

from __future__ import annotations

from settings import GPU_RATE, HARDWARE_RATES


def rate(hardware: str) -> float:
    """Dollars per second of the named hardware; a card without a rate of its own costs
    `settings.GPU_RATE` an hour.
    """
    return HARDWARE_RATES.get(hardware, GPU_RATE) / 3600
