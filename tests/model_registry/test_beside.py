"""What goes on beside the app."""

from __future__ import annotations

import asyncio
import threading

import pytest

from model_registry.beside import Beside


@pytest.fixture
def gate():
    """Closed until the test opens it, or ends."""
    gate = threading.Event()
    yield gate
    gate.set()


def test_what_waits_keeps_nobody(gate):
    beside = Beside(2)
    beside.begin("slow", lambda: gate.wait() and "slow")
    beside.begin("quick", lambda: "quick")
    beside.begin("other", lambda: "other")
    beside.wait(0)
    outcomes = {}
    while len(outcomes) < 2:
        outcomes |= dict(beside.outcomes())
    assert outcomes == {"quick": "quick", "other": "other"}
    gate.set()
    beside.wait(None)
    assert list(beside.outcomes()) == [("slow", "slow")]
    assert list(beside.outcomes()) == []


async def test_who_asks_for_one_waits_for_it_alone(gate):
    beside = Beside(2)
    beside.begin("slow", gate.wait)
    beside.begin("quick", lambda: "quick")
    assert await beside.ended("quick")
    assert list(beside.outcomes()) == [("quick", "quick")]
    assert not await beside.ended("quick")
    waiting = asyncio.create_task(beside.ended("slow"))
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.set()
    assert await waiting


def test_what_raises_is_raised_where_it_is_taken():
    beside = Beside(1)
    beside.begin("one", lambda: 1 / 0)
    beside.wait(None)
    with pytest.raises(ZeroDivisionError):
        list(beside.outcomes())


def test_a_later_reading_stands_in_for_the_former(gate):
    beside = Beside(1)
    beside.begin("one", lambda: gate.wait() and "former")
    beside.begin("one", lambda: "later")
    gate.set()
    beside.wait(None)
    assert list(beside.outcomes()) == [("one", "later")]


async def test_what_is_closed_begins_nothing_more(gate):
    beside, begun = Beside(1), []
    beside.begin("running", gate.wait)
    beside.begin("waiting", lambda: begun.append("waiting"))
    beside.close()
    beside.begin("last", lambda: begun.append("last"))
    gate.set()
    await beside.ended("last")
    assert begun == ["last"]
