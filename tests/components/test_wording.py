"""What people read about a prediction, at every moment of its life."""

from __future__ import annotations

import pytest

from components import wording
from predictions.prediction import Prediction, Status
from predictions.service import INTERRUPTED
from workers.messages import Progress


def prediction(**known):
    return Prediction(id="p", model="a/b", version="v", input={}, created_at=100.0, **known)


@pytest.mark.parametrize(
    ("known", "line"),
    [
        ({}, "waiting · 5.0 s"),
        ({"activity": "waiting · 2 before you"}, "waiting · 2 before you · 5.0 s"),
        ({"status": Status.PROCESSING, "started_at": 103.0}, "running · 2.0 s"),
        (
            {"status": Status.PROCESSING, "started_at": 103.0, "progress": Progress("p", 3, 4)},
            "step 3 of 4 · 2.0 s",
        ),
        (
            {"status": Status.PROCESSING, "started_at": 103.0, "progress": Progress("p", 3)},
            "step 3 · 2.0 s",
        ),
        (
            {"status": Status.PROCESSING, "started_at": 103.0, "output": ("a",) * 74},
            "74 tokens · 37 tokens/s · 2.0 s",
        ),
        (
            {
                "status": Status.SUCCEEDED,
                "started_at": 103.0,
                "completed_at": 104.1,
                "predict_time": 1.1,
                "cost": 0.001,
            },
            "succeeded · 1.1 s compute · 4.1 s in all · $0.0010",
        ),
        ({"status": Status.CANCELED, "completed_at": 101.0}, "canceled · 1.0 s in all"),
    ],
)
def test_the_status_line_says_what_is_true(known, line):
    assert wording.status_line(prediction(**known), 105.0, counts_tokens=True) == line


def test_the_clock_goes_on_between_two_changes():
    waiting = prediction(activity="loading the model")
    lines = {wording.status_html(waiting, now) for now in (101.0, 102.0, 103.0)}
    assert len(lines) == 3
    assert all('data-state="loading"' in line for line in lines)


def test_a_known_share_fills_the_bar():
    running = prediction(status=Status.PROCESSING, started_at=1.0, progress=Progress("p", 1, 4))
    assert 'value="25"' in wording.status_html(running, 105.0)


def test_what_models_say_cannot_break_out_of_the_page():
    assert "<b>" not in wording.status_html(prediction(activity="<b>loading"), 105.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0001, "<1 ms"), (0.04, "40 ms"), (1.62, "1.6 s"), (59.97, "1 min 00 s"),
     (125, "2 min 05 s"), (7260, "2 h 01 min")],
)  # fmt: skip
def test_seconds(value, text):
    assert wording.seconds(value) == text


def test_only_what_has_run_is_told_to_change_its_inputs():
    failed = {"status": Status.FAILED, "error": "a/b does not exist at the Hub. Check its name."}
    assert wording.failure(prediction(**failed)).endswith("Check its name.")
    assert "Change the inputs" in wording.failure(prediction(**failed, started_at=101.0))


def test_what_was_stopped_from_outside_is_not_put_down_to_its_inputs():
    stopped = prediction(status=Status.FAILED, error=INTERRUPTED, started_at=101.0)
    assert wording.failure(stopped) == INTERRUPTED


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "$0.00"), (0.00001, "<$0.0001"), (0.0012, "$0.0012"), (1.5, "$1.50")],
)
def test_cost(value, text):
    assert wording.cost(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(999, "999 B"), (1500, "1.5 kB"), (34e9, "34.0 GB"), (25e6, "25 MB")]
)
def test_size(value, text):
    assert wording.size(value) == text


@pytest.mark.parametrize(
    ("then", "text"),
    [(999, "just now"), (990, "10 s ago"), (700, "5 min ago"), (1e3 - 7200, "2 h ago")],
)
def test_age(then, text):
    assert wording.age(then, 1000) == text


def test_the_times_bar_parts_waiting_from_running():
    ended = prediction(status=Status.SUCCEEDED, started_at=101.0, completed_at=104.0)
    assert 'class="before" width="250"' in wording.times_html(ended, 999.0)
