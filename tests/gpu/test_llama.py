"""Llama 3.1 8B at its true size, with random weights.

    python -m pytest -s tests/gpu/test_llama.py

Needs a GPU with 20 GB free, 20 GB of memory, 18 GB of disk under the temporary folder, and ten
minutes.
"""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


async def test_a_llama_through_the_pool_costs_no_more_than_the_library(checkpoint, measured):
    folder = checkpoint("llama", memory=20_000_000_000, disk=18_000_000_000)
    inputs = {"prompt": "Once upon a time", "max_tokens": 256, "temperature": 0, "seed": 0}
    bare, ours = await measured("llama", "meta/llama-3.1-8b-instruct", folder, inputs)
    assert ours[0] < 1.03 * bare[0] + 0.1
    assert ours[1] < 1.1 * bare[1]
