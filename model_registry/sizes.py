"""Amounts of bytes and of time left, in words."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB")


def size(count: float) -> str:
    """Bytes in decimal units, as disks and networks count them: `840 B`, `1.2 MB`, `33.7 GB`."""
    unit, scale = _unit(count)
    return _in(count, unit, scale)


def written(count: float) -> str:
    """As specs say it: `1234.5MB`."""
    return f"{count / 1e6:.1f}MB"


def size_of(done: float, total: float) -> str:
    """`12.0 of 33.7 GB`: both in the unit of the whole."""
    unit, scale = _unit(total)
    return f"{_in(done, unit, scale).rpartition(' ')[0]} of {_in(total, unit, scale)}"


def time_left(seconds: float) -> str:
    """`40 s left`, `4 min left`, `2 h 05 min left`: as exact as anybody can know."""
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s left"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min left"
    return f"{minutes // 60} h {minutes % 60:02d} min left"


def _unit(count: float) -> tuple[str, float]:
    scale = 1.0
    for unit in _UNITS[:-1]:
        if count < 1000 * scale:
            return unit, scale
        scale *= 1000
    return _UNITS[-1], scale


def _in(count: float, unit: str, scale: float) -> str:
    number = count / scale
    if unit == "B" or (unit != "GB" and number >= 10):
        return f"{number:.0f} {unit}"
    return f"{number:.1f} {unit}"
