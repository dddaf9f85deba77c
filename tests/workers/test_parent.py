"""Interrupting what runs in a child, and nothing else."""

from __future__ import annotations

import signal

import pytest

from cog import CancelationException
from workers import parent


@pytest.fixture
def signals(monkeypatch):
    """Every signal that reaches the main thread; they follow each other at once."""
    monkeypatch.setattr(parent, "_BETWEEN_SIGNALS", 0)
    before, caught = signal.getsignal(signal.SIGUSR1), []

    class Watched(parent.Interrupt):
        def _on_signal(self, signum, stack):
            caught.append(signum)
            super()._on_signal(signum, stack)

    yield Watched(), caught
    signal.signal(signal.SIGUSR1, before)


def test_a_prediction_is_interrupted_while_it_runs(signals):
    interrupt, _ = signals
    with pytest.raises(CancelationException), interrupt.running("one"):
        interrupt._wanted = "one"
        interrupt._insist("one")


def test_a_cancel_that_comes_after_the_end_leaves_the_next_prediction_in_peace(signals):
    interrupt, caught = signals
    interrupt._wanted = "ended"
    with interrupt.running("next"):
        interrupt._insist("ended")
    assert caught == []
