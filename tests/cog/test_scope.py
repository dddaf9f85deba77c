"""What a run may say of itself: metrics, progress, previews."""

from __future__ import annotations

import io

import pytest
from PIL import Image

import cog.scope
from cog import BaseRunner, current_scope, emit_metric
from cog.scope import Scope, entered


class Heard:
    """Where a scope's reports go."""

    def __init__(self):
        self.all = []

    def metric(self, name, value, mode):
        self.all.append((name, value, mode))

    def progress(self, done, total, unit):
        self.all.append((done, total, unit))

    def preview(self, image):
        self.all.append(image)


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def scope(heard):
    return Scope("p1", heard, {"user": "ada"})


def test_every_way_to_record_a_metric_says_the_same(scope, heard):
    scope.record_metric("tokens.output", 3)
    scope.metrics["tokens.output"] = 3
    scope.metrics.record("tokens.output", 3)
    with entered(scope):
        current_scope().record_metric("tokens.output", 3)
        BaseRunner().record_metric("tokens.output", 3)
        BaseRunner().scope.record_metric("tokens.output", 3)
        emit_metric("tokens.output", 3)
    assert heard.all == [("tokens.output", 3, "replace")] * 7


def test_modes_are_passed_on(scope, heard):
    scope.record_metric("steps", 1, mode="incr")
    scope.metrics.record("losses", 0.5, mode="append")
    assert heard.all == [("steps", 1, "incr"), ("losses", 0.5, "append")]
    with pytest.raises(ValueError, match="mode is 'add'; it must be 'replace', 'incr' or"):
        scope.record_metric("steps", 1, mode="add")


@pytest.mark.parametrize(
    "key", ["a", "A1", "a_b", "tokens_per_second", "a.b.c.d", "x" * 128, "predict_time.mine"]
)
def test_metric_names_that_are_allowed(scope, heard, key):
    scope.record_metric(key, 1)
    assert heard.all == [(key, 1, "replace")]


@pytest.mark.parametrize(
    "key",
    ["", "1a", "_a", "a_", "a__b", "a-b", "a b", "ä", "a..b", ".a", "a.", "a.b.c.d.e", "x" * 129],
)
def test_metric_names_that_are_not_allowed_are_refused(scope, heard, key):
    with pytest.raises(ValueError, match="is not allowed: up to 4 segments"):
        scope.record_metric(key, 1)
    assert heard.all == []


@pytest.mark.parametrize("key", ["predict_time", "cog.anything"])
def test_reserved_metric_names_are_refused(scope, key):
    with pytest.raises(ValueError, match="is reserved"):
        scope.record_metric(key, 1)


@pytest.mark.parametrize("value", [True, 1, 0.5, "text", [1], {"a": 1}])
def test_values_that_are_json_are_recorded(scope, heard, value):
    scope.record_metric("a", value)
    assert heard.all == [("a", value, "replace")]


@pytest.mark.parametrize("value", [object(), b"x", {1}, float("nan"), float("inf")])
def test_values_that_are_no_json_are_refused(scope, heard, value):
    with pytest.raises((TypeError, ValueError), match="JSON"):
        scope.record_metric("a", value)
    assert heard.all == []


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ((1, "replace"), ("text", "replace")),
        ((1, "replace"), (True, "replace")),
        (("text", "replace"), (1, "append")),
        ((1, "append"), (1, "incr")),
        (("text", "replace"), ("text", "incr")),
    ],
)
def test_a_metrics_type_is_fixed_until_it_is_deleted(scope, heard, first, then):
    scope.record_metric("a", *first)
    with pytest.raises(TypeError, match="'a'"):
        scope.record_metric("a", *then)
    assert len(heard.all) == 1


def test_whole_and_other_numbers_are_one_type(scope, heard):
    scope.record_metric("a", 1)
    scope.record_metric("a", 0.5)
    assert len(heard.all) == 2


@pytest.mark.parametrize("delete", ["del", "none"])
def test_a_deleted_metric_may_have_another_type(scope, heard, delete):
    scope.record_metric("a.b", 1)
    if delete == "del":
        del scope.metrics["a.b"]
    else:
        scope.metrics["a.b"] = None
    scope.record_metric("a.b", "text")
    assert heard.all[1:] == [("a.b", None, "replace"), ("a.b", "text", "replace")]


@pytest.mark.parametrize(("first", "second"), [("a", "a.b"), ("a.b.c", "a.b"), ("a.b", "a")])
def test_a_name_is_a_figure_or_a_group_of_figures(scope, first, second):
    scope.record_metric(first, 1)
    with pytest.raises(TypeError, match="cannot be in one place"):
        scope.record_metric(second, 1)
    scope.record_metric("ab", 1)
    scope.record_metric("a", None)
    scope.record_metric(first, None)
    scope.record_metric(second, 1)


def test_outside_a_run_all_is_silent():
    outside = current_scope()
    outside.record_metric("not a name", object())
    outside.progress(1, 2)
    outside.preview(b"x")
    assert not outside.wants_preview()
    assert outside.context == {}


def test_a_scope_is_current_only_within_its_run(scope):
    with entered(scope):
        assert current_scope() is scope
        assert current_scope().context == {"user": "ada"}
    assert current_scope() is not scope


def test_progress_is_passed_on(scope, heard):
    scope.progress(3, 20)
    scope.progress(1.5, unit="second")
    assert heard.all == [(3, 20, "step"), (1.5, None, "second")]


def test_previews_are_at_most_five_a_second(scope, heard, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(cog.scope.time, "monotonic", lambda: now)
    scope.preview(b"first")
    assert not scope.wants_preview()
    scope.preview(b"too early")
    now += 0.2
    assert scope.wants_preview()
    scope.preview(b"second")
    assert heard.all == [b"first", b"second"]


def test_a_preview_of_a_picture_is_a_small_jpeg(scope, heard):
    scope.preview(Image.new("RGBA", (2000, 1000), "teal"))
    with Image.open(io.BytesIO(heard.all[0])) as shown:
        assert (shown.format, shown.size) == ("JPEG", (512, 256))
