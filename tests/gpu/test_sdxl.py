"""Stable Diffusion XL at its true size, with random weights.

    python -m pytest -s tests/gpu/test_sdxl.py

Needs a GPU with 18 GB free, 8 GB of disk under the temporary folder, and some minutes.
"""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


async def test_sdxl_through_the_pool_costs_no_more_than_the_library(sdxl, measured):
    inputs = {"prompt": "a red circle", "num_inference_steps": 30, "seed": 0}
    bare, ours = await measured(sdxl, inputs)
    assert ours[0] < 1.03 * bare[0] + 0.1
    assert ours[1] < 1.1 * bare[1]
