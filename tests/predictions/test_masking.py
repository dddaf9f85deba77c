"""Secret inputs never show in what is kept of a run."""

from __future__ import annotations

from predictions.masking import MASKED, Masks
from workers import messages


def test_secrets_are_taken_out_of_logs_and_failures():
    masks = Masks()
    inputs = {"token": "abc-123-xyz", "tokens": ["longer-abc-123-xyz"], "name": "abc-123-xyz!"}
    masks.remember("one", {"token", "tokens"}, inputs)
    log = masks.applied(messages.Log("one", "sent longer-abc-123-xyz and abc-123-xyz"))
    assert log == messages.Log("one", f"sent {MASKED} and {MASKED}")
    failed = masks.applied(messages.Failed("one", "GET /?key=abc-123-xyz", "at abc-123-xyz", 1.0))
    assert failed == messages.Failed("one", f"GET /?key={MASKED}", f"at {MASKED}", 1.0)


def test_what_is_no_secret_is_left_as_it_is():
    masks = Masks()
    masks.remember("one", {"token", "absent"}, {"token": "ab.*"})
    masks.remember("two", {"token"}, {"token": "ab.*cd"})
    for prediction in ("one", "two", "three"):
        log = messages.Log(prediction, "ab.* abXcd")
        assert masks.applied(log) is log or masks.applied(log) == log
    output = messages.Output("two", "ab.*cd")
    assert masks.applied(output) is output


def test_a_run_that_has_ended_is_forgotten():
    masks = Masks()
    masks.remember("one", {"token"}, {"token": "abc-123-xyz"})
    masks.forget("one")
    masks.forget("one")
    log = messages.Log("one", "abc-123-xyz")
    assert masks.applied(log) is log
