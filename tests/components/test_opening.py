"""What is opened where the page is older than the model."""

from __future__ import annotations

import pytest

from components.opening import example_at
from errors import NotFound
from model_registry.spec import Example


def test_an_example_that_was_edited_away_is_missed_in_a_sentence():
    examples = (Example("one", {}), Example("two", {"text": "hi"}))
    assert example_at(examples, 1).title == "two"
    with pytest.raises(NotFound, match="Example '3' does not exist. Load the page again"):
        example_at(examples, 2)
