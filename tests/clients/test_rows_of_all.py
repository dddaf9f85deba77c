"""That no row of the contract on clients is without its test; and the row on the other clients."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.clients import test_rows_node, test_rows_python_1, test_rows_python_2

PYTHON_1 = """
install construct headers run_by_name run_by_version run_wait
predictions_create_by_model_or_deployment returns file_output stream async files_in_input progress
raises_on missing_features
"""
PYTHON_2 = """
construct headers run predictions_wait use use_streaming_and_stream bugs_seen calls files_in_input
file_output validation lists
"""
NODE = """
construct headers run polling abort returns files_in_input file_encoding_strategy_data_uri stream
search deletes webhooks
"""


@pytest.mark.parametrize(
    ("module", "rows"),
    [
        (test_rows_python_1, PYTHON_1),
        (test_rows_python_2, PYTHON_2),
        (test_rows_node, NODE),
    ],
)
def test_every_row_has_a_test_named_after_it(module, rows):
    tests = [name for name in vars(module) if name.startswith("test_")]
    without = [row for row in rows.split() if not any(t.startswith(f"test_{row}") for t in tests)]
    assert not without


def test_other_clients_find_the_fields_that_they_take_for_granted(server):
    made = httpx.post(
        f"{server.url}/v1/models/local/counts/predictions",
        json={"input": {"n": 1}},
        headers={"Authorization": "Bearer any", "Prefer": "wait"},
    ).json()
    for field in ("id", "status", "model", "version", "source", "created_at"):
        assert isinstance(made[field], str) and made[field], field
    assert made["input"] == {"n": 1} and re.match("http", made["urls"]["stream"])
