"""What tests ask of processes that are none of their own."""

from __future__ import annotations


def is_alive(process):
    """Whether it still runs; what nobody has waited for yet is dead all the same."""
    try:
        with open(f"/proc/{process}/stat") as opened:
            return opened.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
