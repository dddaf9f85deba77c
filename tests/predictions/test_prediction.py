"""The state function: whatever messages come, a prediction ends once and stays ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictions.prediction import KEPT_LOGS, LOGS_CUT, Prediction, Status, abort, advance
from workers import messages

NEW = Prediction(id="p", model="local/echo", version="0" * 64, input={}, created_at=100.0)

any_message = st.one_of(
    st.builds(messages.Waiting, st.just("p"), st.text()),
    st.builds(messages.Started, st.just("p"), st.sampled_from(["cpu", "Tesla T4"])),
    st.builds(messages.Log, st.just("p"), st.text()),
    st.builds(messages.OutputPieces, st.just("p"), st.lists(st.text(), max_size=3)),
    st.builds(messages.Progress, st.just("p"), st.floats(0, 10), st.none()),
    st.builds(messages.Preview, st.just("p"), st.binary(max_size=4)),
    st.builds(messages.Succeeded, st.just("p"), st.none() | st.floats(0, 100)),
    st.builds(messages.Failed, st.just("p"), st.text(), st.text()),
    st.builds(messages.Canceled, st.just("p"), st.none()),
)


@given(st.lists(any_message, max_size=30))
def test_no_sequence_of_messages_leaves_a_terminal_status_or_shrinks_an_output(sequence):
    prediction, now = NEW, NEW.created_at
    for message in sequence:
        now += 1
        after = advance(prediction, message, now, rate=0.5)
        if prediction.status.terminal:
            assert after is prediction
        assert after.logs.startswith(prediction.logs)
        assert (after.output or ())[: len(prediction.output or ())] == (prediction.output or ())
        prediction = after
    if prediction.status.terminal:
        assert prediction.completed_at is not None
        assert prediction.total_time >= 0
        assert (prediction.predict_time is None) == (prediction.started_at is None)
        assert (prediction.error is not None) == (prediction.status is Status.FAILED)


def test_compute_time_is_what_the_child_measured_and_costs_the_hardware_rate():
    started = advance(NEW, messages.Started("p"), 130.0)
    ended = advance(started, messages.Succeeded("p", 2.0), 135.0, rate=0.25)
    assert (ended.predict_time, ended.total_time, ended.cost) == (2.0, 35.0, 0.5)


def test_a_run_that_was_killed_is_charged_from_its_start_to_its_end():
    started = advance(NEW, messages.Started("p"), 130.0)
    assert advance(started, messages.Failed("p", "crashed"), 133.0).predict_time == 3.0


def test_a_clock_that_is_set_back_puts_no_end_before_its_start():
    started = advance(NEW, messages.Started("p", "cpu"), NEW.created_at - 5)
    assert started.started_at == NEW.created_at
    started = advance(NEW, messages.Started("p", "cpu"), NEW.created_at + 5)
    assert advance(started, messages.Succeeded("p", 1.0), NEW.created_at + 2).total_time == 5


def test_a_prediction_canceled_before_it_starts_has_no_compute_time():
    ended = advance(NEW, messages.Canceled("p"), 105.0)
    assert (ended.status, ended.predict_time, ended.cost) == (Status.CANCELED, None, None)


def test_a_bar_that_is_redrawn_is_a_line_each_time():
    prediction = advance(NEW, messages.Started("p", "cpu"), 1.0, 0.0)
    for text in ("\r 50%|█ | 1/2", "\r100%|██| 2/2\r\n"):
        prediction = advance(prediction, messages.Log("p", text), 1.0, 0.0)
    assert prediction.logs == "\n 50%|█ | 1/2\n100%|██| 2/2\n"


def test_a_failure_keeps_the_output_so_far_and_ends_its_logs_with_the_traceback():
    prediction = NEW
    for message in (
        messages.Started("p"),
        messages.OutputPieces("p", ["a"]),
        messages.Log("p", "working\n"),
        messages.Failed("p", "boom", "Traceback: boom\n"),
    ):
        prediction = advance(prediction, message, 101.0)
    assert prediction.output == ("a",)
    assert prediction.error == "boom"
    assert prediction.logs == "working\nTraceback: boom\n"


@pytest.mark.parametrize(
    ("started", "expected"), [(False, Status.ABORTED), (True, Status.CANCELED)]
)
def test_a_deadline_aborts_what_waits_and_cancels_what_runs(started, expected):
    prediction = advance(NEW, messages.Started("p"), 101.0) if started else NEW
    assert abort(prediction, 102.0).status is expected


def test_metrics_nest_add_append_and_delete():
    prediction = advance(NEW, messages.Started("p"), 101.0)
    for metric in (
        messages.Metric("p", "tokens.input", 3),
        messages.Metric("p", "tokens.output", 2, "incr"),
        messages.Metric("p", "tokens.output", 5, "incr"),
        messages.Metric("p", "seen", "a", "append"),
        messages.Metric("p", "seen", "b", "append"),
        messages.Metric("p", "gone", 1),
        messages.Metric("p", "gone", None),
    ):
        prediction = advance(prediction, metric, 102.0)
    for odd in (
        messages.Metric("p", "tokens.input", "text", "incr"),
        messages.Metric("p", "seen.deeper", 1, "append"),
    ):
        assert advance(prediction, odd, 102.0).metrics, "whatever a child says, nothing breaks"
    assert prediction.metrics == {"tokens": {"input": 3, "output": 7}, "seen": ["a", "b"]}


def test_a_log_without_end_is_cut_and_says_so():
    prediction = NEW
    for _ in range(5):
        prediction = advance(prediction, messages.Log("p", "x" * 1_000_000), 1.0)
    assert prediction.logs == "x" * KEPT_LOGS + LOGS_CUT
    assert advance(prediction, messages.Log("p", "more"), 2.0) is prediction
