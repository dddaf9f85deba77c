from __future__ import annotations

from api.rendering import as_created
from cog.encoding import FILE
from predictions.prediction import Prediction, Status
from predictions.references import replaced


def test_a_created_prediction_never_shows_that_it_has_begun():
    running = Prediction(
        id="p", model="a/b", version="v", input={}, created_at=1.0,
        status=Status.PROCESSING, started_at=2.0, output=("seen", "already"),
    )  # fmt: skip
    shown = as_created(running)
    assert (shown.status, shown.output, shown.started_at) == (Status.STARTING, None, None)


def test_files_are_addressed_wherever_they_are():
    value = {"a": [{FILE: "1/x"}, "text", 5], "b": ({FILE: "2/y"},), "c": {FILE: "3/z"}, "d": None}
    assert replaced(value, str.upper) == {
        "a": ["1/X", "text", 5], "b": ["2/Y"], "c": "3/Z", "d": None,
    }  # fmt: skip
